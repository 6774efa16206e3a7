"""Metrics that can be the objective."""

from __future__ import annotations

#: Metrics that can be the objective, and which way is better.
DIRECTIONS = {
    "heuristic": "minimize",
    "loss": "minimize",
    "n_missing_populations": "minimize",
    "davies_bouldin": "minimize",
    "neg_log_dirichlet": "minimize",
    "table_agreement": "maximize",
    "ilisi": "maximize",
    "accuracy": "maximize",
    "f1_macro": "maximize",
    "balanced_accuracy": "maximize",
}
#: Those that need ``dataset.label_key``, or ``dataset.batch_key``.
LABEL_OBJECTIVES = ("accuracy", "f1_macro", "balanced_accuracy")
BATCH_OBJECTIVES = ("ilisi",)

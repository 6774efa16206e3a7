"""How well an annotation agrees with true labels, on the S cells whose label is in the table."""

from __future__ import annotations

import numpy as np

from scyan_exp.metrics.registry import metric


@metric(direction="maximize", needs=("labels",))
def accuracy(true_S: np.ndarray, predicted_S: np.ndarray) -> float:
    """The share of cells that are annotated as labelled."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(true_S, predicted_S))


@metric(direction="maximize", needs=("labels",))
def f1_macro(true_S: np.ndarray, predicted_S: np.ndarray) -> float:
    """The mean of the populations' F1, those without a true cell included."""
    from sklearn.metrics import f1_score

    return float(f1_score(true_S, predicted_S, average="macro"))


@metric(direction="maximize", needs=("labels",))
def balanced_accuracy(true_S: np.ndarray, predicted_S: np.ndarray) -> float:
    """The mean share of cells found, over the populations that have a true cell."""
    from sklearn.metrics import recall_score

    return float(recall_score(true_S, predicted_S, labels=np.unique(true_S), average="macro"))

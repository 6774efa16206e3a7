"""Hyperparameter search with Optuna: from the command to the best trial.

``search.py`` runs one; ``plan.py`` checks it before; ``trials.py`` asks Optuna and tells it;
``reporter.py`` is what a running job sees. Optuna is imported when it is needed, not before.
"""

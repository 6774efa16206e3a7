"""Hyperparameter search: its space, settings, storage, and what a running trial does.

Nothing here starts a run; ``scyan_exp.search.study`` does. Optuna is imported when it is needed.
"""

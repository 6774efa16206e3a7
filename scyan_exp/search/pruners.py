"""The default pruner: it ends trials that have stopped improving and are behind."""

from __future__ import annotations

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState


class StalledPruner(BasePruner):
    """Prunes a trial that no longer improves and is behind the median of the finished ones.

    Both are judged by the best of its last ``patience + 1`` reports: it must be worse than the
    best before them, and worse than the median of the finished trials at the same step. Optuna's
    own pruners (``MedianPruner``, also within ``PatientPruner``) judge by the best of *all*
    reports. The heuristic of a training dips before it settles, deepest where it ends worst, so
    that by that measure the worst trials look best; ``benchmarks/NOTES.md`` has the numbers.

    Args:
        n_startup_trials: finished trials before the first one is pruned.
        patience: reports that may be worse than an earlier one.
    """

    def __init__(self, n_startup_trials: int = 4, patience: int = 1) -> None:
        if n_startup_trials < 1 or patience < 0:
            raise ValueError("expected n_startup_trials of at least 1 and patience of at least 0")
        self._n_startup_trials, self._patience = n_startup_trials, patience

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether a trial should end now, given its reports so far."""
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        steps = sorted(trial.intermediate_values)
        values = sign * np.array([trial.intermediate_values[step] for step in steps])
        n_last = self._patience + 1
        if len(values) <= n_last:
            return False
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = [
            sign * one.intermediate_values[steps[-1]]
            for one in finished
            if steps[-1] in one.intermediate_values
        ]
        if len(others) < self._n_startup_trials:
            return False
        last, before = _best(values[-n_last:]), _best(values[:-n_last])
        return bool(last > before and last > np.median(others))


def _best(values: np.ndarray) -> float:
    """The smallest number; infinity if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.min()) if len(finite) else np.inf

"""Whether a trial with repeats needs no more of them: it can hardly become the best any more.

Its objective is the mean of all repeats. What the missing ones will add is predicted from those
that are finished, and from how far the repeats of a setting lie apart: the larger of this trial's
own spread and that of all completed trials together. ``docs/search.md`` has how often this is
right, beside Optuna's own pruner for such comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr  # type: ignore[import-untyped]

from scyan_exp.search.optuna_internals import StoredTrial, violates

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: User attribute of a trial: the objectives of its finished repeats, in the order of their seeds.
REPEATS = "repeats"
#: Degrees of freedom of the common spread below which nothing is decided: those of one trial of
#: five repeats, or of two trials of three.
FEWEST_FREEDOM = 4


def is_decided(
    study: Study, number: int, values: Sequence[float], n_repeats: int, min_chance: float
) -> bool:
    """Write down the repeats of a trial; whether it needs no more of them.

    Args:
        study: a study with one objective.
        number: of the trial.
        values: the objectives of its finished repeats, in the order of their seeds.
        n_repeats: how many there will be.
        min_chance: the smallest chance to become the best with which it goes on; 0 for any.
    """
    StoredTrial(study, number).set_attr(REPEATS, [float(one) for one in values])
    if not min_chance or not values or len(values) >= n_repeats:
        return False
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0
    values_of_others = [sign * value for one in ended if (value := _value(one)) is not None]
    if not values_of_others:
        return False
    own = [sign * value for value in values]
    others = [_repeats(one) for one in ended]
    return chance(own, min(values_of_others), others, n_repeats) < min_chance


def chance(
    values: Sequence[float], best: float, others: Sequence[Sequence[float]], n_repeats: int
) -> float:
    """The chance that the mean of all repeats will be below the best; 1 where it cannot be told.

    Args:
        values: the objectives of the finished repeats, better when low.
        best: of the completed trials.
        others: the objectives of the repeats of completed trials; their spread counts alone.
        n_repeats: how many repeats there will be.
    """
    squares, freedom = _spread(others)
    n, mean = len(values), float(np.mean(values))
    if freedom < FEWEST_FREEDOM or not math.isfinite(mean):
        return 1.0
    variance = max(squares / freedom, float(np.var(values, ddof=1)) if n > 1 else 0.0)
    # The mean of all, seen from the finished ones: (n_repeats - n) / (n_repeats * n) variances.
    sd = math.sqrt(variance * (n_repeats - n) / (n_repeats * n))
    if sd == 0:
        return 1.0 if mean <= best else 0.0
    return float(stdtr(freedom, (best - mean) / sd))


def _spread(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Sum of the squared distances from the means of the groups, and its degrees of freedom."""
    whole = [np.asarray(one) for one in groups if len(one) > 1 and np.isfinite(one).all()]
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in whole)
    return squares, sum(len(one) - 1 for one in whole)


def _value(trial: FrozenTrial) -> float | None:
    """Its objective, if it keeps the constraints."""
    return None if violates(trial) else trial.value


def _repeats(trial: FrozenTrial) -> list[float]:
    return [float(one) for one in trial.user_attrs.get(REPEATS, ())]

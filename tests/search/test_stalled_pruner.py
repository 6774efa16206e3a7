"""Where exactly the pruner of our own draws its lines: of trials, of steps, of values."""

from __future__ import annotations

import pytest

from scyan_exp.search.pruners import StalledPruner
from tests.search.test_pruners import GOOD, report, study_of


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(
    ("finished", "values", "pruned"),
    [
        (GOOD[0], [9.0, 1.0, 5.0, 6.0], True),
        (GOOD[0], [9.0, 8.0, 7.0, 6.0], False),
        ([0.0, 0.0, 0.0, 8.0], [9.0, 1.0, 5.0, 6.0], False),  # ahead where it is now
        ([8.0, 8.0, 8.0, 0.0], [9.0, 1.0, 5.0, 6.0], True),  # behind where it is now
        ([5.5] * 5, [9.0, 1.0, 5.0, 6.0, 7.0], True),  # the last two reports count, not three
        ([0.0] * 5, [9.0, 8.0, 1.0, 6.0, 7.0], True),  # all reports before them count
        ([0.0] * 4, [9.0, 1.0, 1.0, 1.0], False),  # as good as before is not worse
        ([5.0] * 4, [9.0, 1.0, 5.0, 6.0], False),  # as good as the median is not behind
    ],
)
def test_where_the_lines_are(direction, finished, values, pruned):
    sign = 1.0 if direction == "minimize" else -1.0
    study = study_of([[sign * value for value in finished]] * 4, direction)
    assert report(study, [sign * value for value in values]).should_prune() == pruned


def test_the_least_that_can_be_asked_for():
    study = study_of(GOOD[:1])
    study.pruner = StalledPruner(n_startup_trials=1, patience=0)
    assert report(study, [9.0, 5.0, 6.0]).should_prune()


@pytest.mark.parametrize("arguments", [{"n_startup_trials": 0}, {"patience": -1}])
def test_less_than_that_is_refused(arguments):
    with pytest.raises(ValueError, match=r"^expected n_startup_trials of at least 1 and patience"):
        StalledPruner(**arguments)

"""The pruner of our own: stalled and behind, judged by the last reports."""

from __future__ import annotations

import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.search.pruners import StalledPruner

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=8)


def study_of(finished: list[list[float]], direction: str = "minimize") -> optuna.Study:
    """A study with finished trials that reported these values at steps 0, 3, 6, ..."""
    study = optuna.create_study(direction=direction, pruner=StalledPruner())
    for values in finished:
        report(study, values)
        study.tell(len(study.trials) - 1, values[-1])
    return study


def report(study: optuna.Study, values: list[float]) -> optuna.Trial:
    trial = study.ask()
    for i, value in enumerate(values):
        trial.report(value, 3 * i)
    return trial


GOOD = [[5.0, 4.0, 3.0, 2.0]] * 4


@pytest.mark.parametrize(
    ("values", "pruned"),
    [
        ([9.0, 1.0, 5.0, 6.0], True),  # a dip, and then worse than the others
        ([9.0, 8.0, 7.0, 6.0], False),  # behind, and improving
        ([1.0, 0.5, 0.6, 0.7], False),  # stalled, and ahead
        ([9.0, 5.0, 6.0, 4.0], False),  # one worse report is forgiven
        ([9.0, 1.0], False),  # too early to say
        ([9.0, 1.0, math.inf, math.nan], True),
    ],
)
def test_who_is_pruned(values, pruned):
    assert report(study_of(GOOD), values).should_prune() == pruned


def test_nobody_is_pruned_before_enough_have_finished():
    assert not report(study_of(GOOD[:3]), [9.0, 1.0, 5.0, 6.0]).should_prune()


@pytest.mark.parametrize(
    ("ends", "pruned"),
    [
        ([0.0, 0.0, 0.0, 100.0], True),  # worse than the median 0, better than the mean 25
        ([20.0, 20.0, 20.0, -1000.0], False),  # better than the median 20, worse than the mean
        ([4.0, 6.5, 100.0, -100.0], True),  # the median of an even number lies between two
        ([4.0, 9.0, 100.0, -100.0], False),
    ],
)
def test_one_trial_far_from_the_others_decides_nothing(ends, pruned):
    finished = [[30.0, 30.0, 30.0, end] for end in ends]
    assert report(study_of(finished), [9.0, 1.0, 6.0, 7.0]).should_prune() == pruned


def test_trials_that_never_reached_the_step_do_not_count():
    assert not report(study_of([[1.0, 1.0]] * 9), [9.0, 1.0, 5.0, 6.0]).should_prune()


@given(VALUES, st.lists(VALUES, max_size=6))
def test_the_other_direction_is_the_mirror_image(values, finished):
    one = report(study_of(finished), values).should_prune()
    mirrored = study_of([[-v for v in vs] for vs in finished], "maximize")
    assert report(mirrored, [-v for v in values]).should_prune() == one


@given(st.lists(VALUES, min_size=4, max_size=6), st.integers(1, 8))
def test_a_trial_that_improves_with_every_report_is_never_pruned(finished, n_reports):
    falling = [100.0 - i for i in range(n_reports)]
    assert not report(study_of(finished), falling).should_prune()


def test_arguments_that_make_no_sense_are_refused():
    for arguments in ({"n_startup_trials": 0}, {"patience": -1}):
        with pytest.raises(ValueError, match="expected"):
            StalledPruner(**arguments)

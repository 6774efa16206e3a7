"""When a trial with repeats needs no more of them: the chance, and what Optuna's study adds."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.search.deciding import REPEATS, chance, is_decided

#: Repeats of completed trials whose standard deviations are 1.
OTHERS = [[-1.0, 0.0, 1.0], [4.0, 5.0, 6.0]]
NUMBERS = st.floats(-1e3, 1e3)
SOME = st.lists(NUMBERS, min_size=1, max_size=4)


@given(SOME, NUMBERS)
def test_it_is_a_chance_and_above_a_half_for_a_trial_that_leads(values, best):
    found = chance(values, best, OTHERS, 5)
    assert 0 <= found <= 1
    mean = float(np.mean(values))
    if mean < best:
        assert found >= 0.5
    if mean > best:
        assert found <= 0.5


@given(SOME, NUMBERS, st.floats(0, 100))
def test_it_falls_with_the_distance_from_the_best(values, best, further):
    behind = [value + further for value in values]
    assert chance(behind, best, OTHERS, 5) <= chance(values, best, OTHERS, 5) + 1e-12


@given(st.integers(1, 3))
def test_the_same_mean_of_more_repeats_decides_more(n):
    assert chance([2.0] * (n + 1), 1.0, OTHERS, 5) < chance([2.0] * n, 1.0, OTHERS, 5)


def test_a_trial_whose_repeats_lie_far_apart_is_given_more_time():
    assert chance([0.0, 6.0], 1.0, OTHERS, 5) > chance([2.9, 3.1], 1.0, OTHERS, 5)


@pytest.mark.parametrize(
    ("values", "others"),
    [
        ([9.0], []),
        ([9.0], OTHERS[:1]),
        ([9.0], [[1.0]] * 10),
        ([9.0], [[math.nan, 1.0, 2.0]] * 10),
        ([math.inf], OTHERS),
        ([math.nan], OTHERS),
    ],
)
def test_what_is_not_known_decides_nothing(values, others):
    assert chance(values, 0.0, others, 5) == 1


def test_repeats_that_never_differ_decide_at_once():
    same = [[3.0, 3.0, 3.0]] * 2
    assert chance([3.1], 3.0, same, 3) == 0
    assert chance([3.0], 3.0, same, 3) == 1


@pytest.mark.parametrize("n_finished", [1, 2, 3, 4])
def test_of_the_trials_that_it_stops_as_few_would_have_been_the_best_as_it_says(n_finished):
    """Over trials that lie anywhere, with the spread known from four trials of five."""
    rng = np.random.default_rng(n_finished)
    said, was = [], []
    for _ in range(4000):
        others = rng.standard_normal((4, 5))
        values = rng.uniform(-4, 4) + rng.standard_normal(5)
        found = chance(values[:n_finished], 0.0, others.tolist(), 5)
        if found < 0.05:
            said.append(found)
            was.append(values.mean() < 0)
    assert len(said) > 1000
    assert np.mean(was) <= np.mean(said) + 0.01


# ---------------------------------------------------------------- with a study


def study_of(direction: str = "minimize", sign: float = 1.0) -> optuna.Study:
    """Two completed trials of three repeats, with means 10 and 20, and one that runs."""
    study = optuna.create_study(direction=direction)
    for mean in (10.0, 20.0):
        trial = study.ask()
        trial.set_user_attr(REPEATS, [sign * (mean + one) for one in (-1.0, 0.0, 1.0)])
        study.tell(trial, sign * mean)
    study.ask()
    return study


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1.0), ("maximize", -1.0)])
def test_a_trial_far_behind_is_decided_and_its_repeats_are_written(direction, sign):
    study = study_of(direction, sign)
    assert is_decided(study, 2, [sign * 17.0], 3, 0.05)
    assert study.trials[2].user_attrs[REPEATS] == [sign * 17.0]
    assert not is_decided(study, 2, [sign * 10.5], 3, 0.05)
    assert not is_decided(study, 2, [sign * 5.0], 3, 0.05)


@pytest.mark.parametrize(
    ("values", "min_chance"), [([17.0], 0.0), ([17.0, 17.0, 17.0], 0.05), ([], 0.05)]
)
def test_nothing_is_decided_when_not_wanted_or_not_needed(values, min_chance):
    study = study_of()
    assert not is_decided(study, 2, values, 3, min_chance)
    assert study.trials[2].user_attrs[REPEATS] == values


def test_the_first_trial_is_never_decided():
    study = optuna.create_study()
    study.ask()
    assert not is_decided(study, 0, [1e9], 3, 0.05)


def test_a_trial_that_violates_a_constraint_is_not_the_best():
    study = study_of()
    assert is_decided(study, 2, [17.0], 3, 0.05)
    again = optuna.create_study()
    for trial in study.trials[:2]:
        violations = {"constraints": [1.0 if trial.number == 0 else -1.0]}
        again.add_trial(
            optuna.trial.create_trial(
                value=trial.value, user_attrs=trial.user_attrs, system_attrs=violations
            )
        )
    again.ask()
    assert not is_decided(again, 2, [17.0], 3, 0.05)  # the best is now 20

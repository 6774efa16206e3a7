"""Draws that depend on the trial and not on when a search was started."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.search.samplers import SeededByTrial
from scyan_exp.search.settings import check_study
from scyan_exp.search.space import parse_space

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = parse_space({}, ["a=interval(0,1)", "b=tag(log,interval(1e-5,1))", "c=range(9)", "d=x,y,z"])
SEEDS = st.integers(0, 2**32 - 1)


def sampler(seed: int, name: str = "random") -> optuna.samplers.BaseSampler:
    return check_study({"sampler": name, "seed": seed}).make_sampler()


def value(params: dict) -> float:
    """A function to minimise."""
    return (params["a"] - 0.3) ** 2 + params["b"] + params["c"] + "xyz".index(params["d"])


def trials(
    seed: int, starts: list[int], name: str = "random", change: Callable[[], object] = lambda: None
) -> list[dict]:
    """The parameters of a study that was started so often, for so many trials each."""
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="s")
    for n_trials in starts:
        study = optuna.load_study(storage=storage, study_name="s", sampler=sampler(seed, name))
        for _ in range(n_trials):
            change()
            trial = study.ask(SPACE.distributions())
            study.tell(trial, value(trial.params))
    return [trial.params for trial in optuna.load_study(storage=storage, study_name="s").trials]


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_starts_make_no_difference(seed, starts):
    assert trials(seed, starts) == trials(seed, [sum(starts)])
    assert trials(seed, [1] * sum(starts)) == trials(seed, starts)


@pytest.mark.parametrize("name", ["tpe", "random", "nsga2"])
def test_a_search_that_is_started_after_each_trial_repeats_none(name):
    found = trials(0, [1] * 25, name)
    assert len({tuple(params.values()) for params in found}) == 25


@settings(deadline=None, max_examples=30)
@given(SEEDS, SEEDS)
def test_other_seeds_draw_others(one, other):
    if one != other:
        assert trials(one, [3]) != trials(other, [3])


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_trials_of_a_search_differ(seed):
    found = [tuple(params.values()) for params in trials(seed, [20])]
    assert len(set(found)) == 20


def test_draws_are_spread_evenly():
    """One seed a trial is as good as one generator: 400 uniform draws in ten bins."""
    found = [params["a"] for params in trials(5, [400])]
    counts = [sum(i / 10 <= one < (i + 1) / 10 for one in found) for i in range(10)]
    chi_square = sum((n - 40) ** 2 / 40 for n in counts)
    assert chi_square < 27.9  # 0.999 quantile for 9 degrees of freedom
    mean = sum(found) / len(found)
    lagged = sum((x - mean) * (y - mean) for x, y in pairwise(found))
    assert abs(lagged / sum((x - mean) ** 2 for x in found)) < 0.2


def test_parameters_of_one_trial_are_not_draws_of_one_number():
    found = trials(1, [200])
    pairs = [(params["a"], params["c"] / 8) for params in found]
    assert len({round(a - c, 3) for a, c in pairs}) > 50
    close = sum(abs(a - c) < 0.1 for a, c in pairs)
    assert 10 < close < 90


def test_two_machines_that_ask_in_turn_draw_what_one_would():
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="s")
    machines = [
        optuna.load_study(storage=storage, study_name="s", sampler=sampler(3)) for _ in range(2)
    ]
    asked = [machines[i % 2].ask(SPACE.distributions()) for i in range(8)]
    assert [trial.params for trial in asked] == trials(3, [8])


def test_tpe_that_is_started_again_still_learns():
    """After 40 trials, one a start, its draws are better than chance."""
    learnt = [value(params) for params in trials(0, [1] * 60, "tpe")[40:]]
    chance = [value(params) for params in trials(0, [60], "random")[40:]]
    assert sum(learnt) / 20 < 0.6 * sum(chance) / 20


def test_what_a_sampler_does_before_and_after_a_trial_is_done():
    calls = []

    class Recording(optuna.samplers.RandomSampler):
        def before_trial(self, study, trial):
            calls.append(("before", trial.number))

        def after_trial(self, study, trial, state, values):
            calls.append(("after", trial.number, state.name, values))

    study = optuna.create_study(sampler=SeededByTrial(lambda seed: Recording(seed), 0))
    study.tell(study.ask(), 1.5)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert calls == [
        ("before", 0),
        ("after", 0, "COMPLETE", [1.5]),
        ("before", 1),
        ("after", 1, "FAIL", None),
    ]

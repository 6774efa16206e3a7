"""Which config is best, what a parameter does, and what is chance: laws and hand-made sweeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.report.comparing_configs import (
    Objective,
    best_first,
    effects_of,
    front_of,
    groups_of,
    pooled_sd,
    read_importances,
)

LOSS = Objective("loss", "minimize")
ACCURACY = Objective("accuracy", "maximize")


def job(number, outcome="completed", repeats=None, overrides=None, **metrics):
    return {
        "number": number,
        "outcome": outcome,
        "objective": metrics.get("loss"),
        "metrics": metrics,
        "overrides": overrides or {},
        "repeats": repeats,
        "verdict": "good",
        "reasons": [],
        "name": "",
    }


def test_the_best_comes_first_by_direction_and_failed_or_infinite_ones_never():
    jobs = [
        job(0, loss=3.0, accuracy=0.5),
        job(1, loss=1.0, accuracy=0.1),
        job(2, outcome="failed", loss=0.0, accuracy=1.0),
        job(3, loss=None, accuracy=None),
        job(4, loss=math.inf, accuracy=math.inf),
    ]
    assert [one["number"] for one in best_first(jobs, LOSS)] == [1, 0]
    assert [one["number"] for one in best_first(jobs, ACCURACY)] == [0, 1]


def test_groups_are_equal_but_for_the_seed():
    jobs = [
        job(0, overrides={"a": 1, "seed": 0}, loss=1.0),
        job(1, overrides={"a": 1, "seed": 1}, loss=3.0),
        job(2, overrides={"a": 2, "seed": 0}, loss=1.5),
    ]
    best, other = groups_of(jobs, ["a", "seed"], LOSS)
    assert (best.name, best.jobs, best.mean, best.sd, best.n_trainings) == (
        "a=2",
        [2],
        1.5,
        None,
        1,
    )
    assert (other.name, other.jobs, other.mean) == ("a=1", [0, 1], 2.0)
    assert other.sd == pytest.approx(math.sqrt(2))


def test_the_spread_of_repeats_counts_as_that_of_seeds():
    repeats = {"std": {"loss": 0.5}, "members": [{}, {}, {}]}
    (group,) = groups_of([job(0, loss=1.0, repeats=repeats)], [], LOSS)
    assert (group.sd, group.n_trainings) == (0.5, 3)


@given(st.lists(st.lists(st.floats(-100, 100), min_size=2, max_size=5), min_size=1, max_size=5))
def test_the_pooled_spread_is_that_of_residuals(values):
    jobs = [
        job(len(values) * j + i, overrides={"a": i, "seed": j}, loss=value)
        for i, some in enumerate(values)
        for j, value in enumerate(some)
    ]
    squares = sum(((np.array(some) - np.mean(some)) ** 2).sum() for some in values)
    freedom = sum(len(some) - 1 for some in values)
    found = pooled_sd(groups_of(jobs, ["a", "seed"], LOSS))
    assert found == pytest.approx(math.sqrt(squares / freedom), rel=1e-6, abs=1e-6)


def test_without_a_second_seed_there_is_no_spread():
    jobs = [job(i, overrides={"a": i}, loss=float(i)) for i in range(3)]
    assert pooled_sd(groups_of(jobs, ["a"], LOSS)) is None


POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20)


@given(POINTS)
def test_the_front_is_what_nobody_beats(points):
    jobs = [job(i, loss=float(x), accuracy=float(y)) for i, (x, y) in enumerate(points)]

    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    expected = [i for i, b in enumerate(points) if not any(beats(a, b) for a in points)]
    assert front_of(jobs, [LOSS, ACCURACY]) == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.floats(-10, 10)), min_size=6, max_size=30
    )
)
def test_what_a_parameter_explains_is_a_share(rows):
    jobs = [job(i, overrides={"a": a, "b": b}, loss=y) for i, (a, b, y) in enumerate(rows)]
    for effect in effects_of(jobs, ["a", "b"], LOSS):
        assert -1e-9 <= effect["share"] <= 1 + 1e-9
        assert sum(one["n"] for one in effect["means"]) == len(rows)


def test_a_parameter_that_decides_all_explains_all_and_another_nothing():
    jobs = [job(i, overrides={"a": i % 2, "b": i // 2}, loss=float(i % 2)) for i in range(4)]
    first, second = effects_of(jobs, ["b", "a"], LOSS)
    assert (first["parameter"], first["share"]) == ("a", 1.0)
    assert (second["parameter"], second["share"]) == ("b", 0.0)
    assert first["means"] == [{"value": 0, "mean": 0, "n": 2}, {"value": 1, "mean": 1, "n": 2}]


def test_nothing_is_said_of_values_that_were_tried_once():
    assert effects_of([job(i, overrides={"a": i}, loss=1.0) for i in range(5)], ["a"], LOSS) == []


def test_importances_are_read_the_largest_first(tmp_path):
    path = tmp_path / "importances.csv"
    assert read_importances(path) == []
    path.write_text("parameter,importance\na,0.2\nb,0.8\n")
    assert [(one["parameter"], one["share"]) for one in read_importances(path)] == [
        ("b", 0.8),
        ("a", 0.2),
    ]
    path.write_text("parameter,importance\na,much\n")
    assert read_importances(path) == []

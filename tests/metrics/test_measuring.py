"""Metrics that somebody adds: how, what they may take, and what becomes of those that fail."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import replace

import pytest

from scyan_exp.metrics import METRICS, Metric, metric
from scyan_exp.metrics.measuring import measure
from tests.metrics.test_laws import inputs

NEEDS = "needs: expected a tuple of ('labels', 'batches', 'training')"


@pytest.fixture
def add(monkeypatch):
    """Register functions as metrics for the time of a test."""
    len(METRICS)  # read what there is, before it is copied
    monkeypatch.setattr(METRICS, "_parts", dict(METRICS._parts))
    monkeypatch.setattr(METRICS, "_origins", dict(METRICS._origins))
    return metric(direction="minimize")


def test_it_takes_what_it_names(add):
    taken = {}

    def mine(n_pops, counts_P, accuracy, ilisi=None, further=7):
        taken.update(locals())
        return n_pops

    add(mine)
    found = measure(inputs(), ["accuracy", "mine", "ilisi"])
    assert taken["counts_P"].tolist() == [60] * 4
    assert (taken["accuracy"], taken["ilisi"]) == (found["accuracy"], found["ilisi"])
    assert taken["further"] == 7
    assert list(found) == ["accuracy", "mine", "ilisi"]


def test_a_part_of_several_metrics_is_computed_once(add):
    calls = []

    def part(n_pops):
        calls.append(n_pops)
        return 0.5

    def double(part):
        return 2 * part

    add(double)
    add(part)  # after what takes it
    found = measure(inputs())
    assert (found["double"], found["part"]) == (1, 0.5)
    assert calls == [4]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda n_pops: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda n_pops: None, "TypeError: float() argument must be"),
        (lambda wrong: 1.0, "TypeError: it takes wrong, which these cells or this package do not"),
    ],
    ids=["raises", "no number", "unknown argument"],
)
def test_one_that_fails_is_not_a_number_and_costs_no_other(add, caplog, function, said):
    function.__name__ = "mine"
    expected = measure(inputs())
    add(function)
    found = measure(inputs())
    assert math.isnan(found.pop("mine"))
    assert found == expected
    first = caplog.records[0]
    assert first.levelno == logging.WARNING
    assert first.getMessage().startswith(f"metric mine cannot be computed ({said}")
    assert first.exc_info  # where it failed


@pytest.mark.parametrize(
    "function", [lambda n_pops: math.nan, lambda mine: mine + 1], ids=["nan", "takes itself"]
)
def test_one_that_is_not_a_number_is_named(add, caplog, function):
    function.__name__ = "mine"
    add(function)
    assert math.isnan(measure(inputs())["mine"])
    assert caplog.messages == ["metric mine is not a number"]


def test_a_metric_of_one_that_fails_goes_on_with_nan(add, caplog):
    def part(n_pops):
        raise KeyError("x")

    def mine(part):
        return part + 1

    add(part)
    add(mine)
    assert math.isnan(measure(inputs(), ["mine"])["mine"])
    assert caplog.messages[0] == "metric part cannot be computed (KeyError: 'x')"


def test_a_metric_may_be_made_of_one_that_is_made_of_others(add):
    def part(accuracy):
        return 2 * accuracy

    def mine(part):
        return part + 1

    add(part)
    add(mine)
    expected = 2 * measure(inputs())["accuracy"] + 1
    assert measure(inputs(), ["mine"]) == {"mine": expected}


def test_a_fault_of_a_metric_of_ours_is_seen():
    """What somebody adds must not cost a run, a bug of this package must not go unseen."""
    damaged = replace(inputs(), x=inputs().x[:10])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        measure(damaged, ["davies_bouldin"])


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("needs", [(), ("labels",), ("labels", "batches", "training")])
def test_it_is_known_by_its_name_with_what_it_says(add, direction, needs):
    def mine(n_pops):
        return n_pops

    assert metric(direction=direction, needs=needs)(mine) is mine
    assert METRICS["mine"] == Metric("mine", direction, needs, mine)
    assert measure(inputs(), ["mine"]) == {"mine": 4}
    bare = replace(inputs(), labels=None)
    assert measure(bare, ["mine"]) == ({} if needs else {"mine": 4})


def test_whole_numbers_stay_whole(add):
    def mine(n_pops):
        return n_pops

    add(mine)
    found = measure(inputs())
    assert type(found["mine"]) is type(found["n_missing_populations"]) is int


def test_another_of_the_same_name_is_refused_naming_both(add):
    def accuracy(n_pops):
        return 1.0

    both = "scyan_exp.metrics.supervised.accuracy and tests.metrics.test_measuring."
    with pytest.raises(ValueError, match=f"two metrics named 'accuracy': {re.escape(both)}"):
        add(accuracy)
    assert METRICS["accuracy"].function is not accuracy


def test_the_name_of_an_argument_is_no_name_of_a_metric(add):
    def n_pops(x_NM):
        return 1.0

    with pytest.raises(ValueError, match="'n_pops': an argument of metrics has this name"):
        add(n_pops)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"direction": "down"}, "direction: expected minimize or maximize, found 'down'"),
        ({"direction": "minimize", "needs": "labels"}, f"{NEEDS}, found 'labels'"),
        ({"direction": "minimize", "needs": ("label",)}, f"{NEEDS}, found ('label',)"),
    ],
)
def test_a_metric_says_what_can_be_said(options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        metric(**options)

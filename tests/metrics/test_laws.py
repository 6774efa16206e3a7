"""What holds for every metric: a metric that is added gets a line in ``WORSE``, and all laws."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from scyan_exp.config.objectives import KEYS_OF_NEEDS
from scyan_exp.metrics import METRICS
from scyan_exp.metrics.inputs import NAMES, Inputs
from scyan_exp.metrics.measuring import measure

N_POPS, N_MARKERS = 4, 5


def inputs(n_cells: int = 240, seed: int = 0) -> Inputs:
    """A good annotation of cells that follow a table, in batches that mix."""
    rng = np.random.default_rng(seed)
    rho = rng.choice([-1.0, 1.0], (N_POPS, N_MARKERS))
    rho[:, 0], rho[0, 1] = [1, -1, 1, -1], np.nan
    population = rng.permutation(np.arange(n_cells) % N_POPS)
    x = np.nan_to_num(rho)[population] + 0.3 * rng.normal(size=(n_cells, N_MARKERS))
    labels = np.where(rng.random(n_cells) < 0.1, -1, population)
    latent = rng.normal(size=(n_cells, N_MARKERS)).astype(np.float32)
    return Inputs(
        population,
        x.astype(np.float32),
        latent,
        rho,
        labels,
        rng.integers(3, size=n_cells),
        corrected_of=lambda some: latent[some],
        best_loss=12.5,
    )


def some_wrong(good: Inputs) -> Inputs:
    """A third of the cells is in the next population."""
    wrong = np.arange(len(good.population)) % 3 == 0
    return replace(
        good, population=np.where(wrong, (good.population + 1) % N_POPS, good.population)
    )


def one_empty(good: Inputs) -> Inputs:
    """A population has no cell."""
    return replace(good, population=np.minimum(good.population, N_POPS - 2))


def uneven(good: Inputs) -> Inputs:
    """Most cells are in one population, none is empty."""
    some = np.arange(len(good.population)) % 4 > 0
    return replace(good, population=np.where(some, 0, good.population))


def batches_apart(good: Inputs) -> Inputs:
    x = good.x + 50 * good.batches[:, None].astype(np.float32)
    return replace(good, x=x, corrected_of=lambda some: x[some])


def larger_loss(good: Inputs) -> Inputs:
    return replace(good, best_loss=good.best_loss + 1)


#: Of every metric, what makes an annotation worse.
WORSE = {
    "loss": larger_loss,
    "n_missing_populations": one_empty,
    "davies_bouldin": some_wrong,
    "neg_log_dirichlet": uneven,
    "heuristic": some_wrong,
    "table_agreement": some_wrong,
    "avoidable": some_wrong,
    "table_fit": some_wrong,
    "ilisi": batches_apart,
    "ilisi_uncorrected": batches_apart,
    "accuracy": some_wrong,
    "f1_macro": some_wrong,
    "balanced_accuracy": some_wrong,
}
ALL = pytest.mark.parametrize("name", WORSE)


@pytest.fixture(autouse=True)
def no_warning(caplog):
    """A metric that fails or is not a number says so in the log."""
    yield
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


def value(name: str, of: Inputs) -> float:
    return measure(of, [name])[name]


def test_every_metric_is_in_the_table():
    assert set(WORSE) == set(METRICS)


def test_the_names_are_the_keys_in_their_order():
    found = measure(inputs())
    assert list(found) == list(METRICS) == [one.name for one in METRICS.values()]
    assert not set(found) & set(NAMES)


@ALL
@pytest.mark.parametrize("seed", range(3))
def test_of_a_good_annotation_it_is_a_finite_number(name, seed):
    found = value(name, inputs(seed=seed))
    assert isinstance(found, (int, float))
    assert math.isfinite(found)


@ALL
def test_it_is_the_same_alone_and_among_others(name):
    assert value(name, inputs()) == measure(inputs())[name]


@ALL
def test_a_worse_annotation_is_worse(name):
    good, bad = value(name, inputs()), value(name, WORSE[name](inputs()))
    assert good < bad if METRICS[name].direction == "minimize" else good > bad


@ALL
def test_the_order_of_cells_makes_no_difference(name):
    one = inputs()
    order = np.random.default_rng(1).permutation(len(one.population))
    parts = ("population", "x", "latent", "labels", "batches")
    other = replace(one, **{part: getattr(one, part)[order] for part in parts})
    other = replace(other, corrected_of=lambda some: one.corrected_of(order[some]))
    assert value(name, other) == pytest.approx(value(name, one), rel=1e-6)


@ALL
def test_the_order_of_populations_and_batches_makes_no_difference(name):
    """Nor do their names, which no metric sees."""
    one = inputs()
    place = np.array([2, 0, 3, 1])
    other = replace(
        one,
        rho=one.rho[np.argsort(place)],
        population=place[one.population],
        labels=np.where(one.labels < 0, -1, place[one.labels]),
        batches=np.array([1, 2, 0])[one.batches],
    )
    assert value(name, other) == pytest.approx(value(name, one), rel=1e-6)


@ALL
def test_it_is_left_out_without_what_it_needs_and_needs_nothing_else(name):
    parts = {"labels": "labels", "batches": "batches", "training": "best_loss"}
    needs = METRICS[name].needs
    bare = replace(inputs(), **{part: None for need, part in parts.items() if need not in needs})
    assert math.isfinite(value(name, bare))
    for need in needs:
        assert name not in measure(replace(inputs(), **{parts[need]: None}))


def test_what_the_cells_must_have_is_a_key_of_the_config():
    of_cells = {need for one in METRICS.values() for need in one.needs} - {"training"}
    assert of_cells == set(KEYS_OF_NEEDS)


@ALL
@pytest.mark.parametrize("wanting", [one_empty, uneven])
def test_a_population_without_a_cell_is_no_trouble(name, wanting):
    assert math.isfinite(value(name, wanting(inputs())))


@ALL
@pytest.mark.parametrize("n_pops", [1, N_POPS])
def test_one_population_alone_gives_a_number_or_infinity(name, n_pops):
    one = inputs()
    alone = np.zeros_like(one.population)
    labels = np.minimum(one.labels, n_pops - 1)
    single = replace(one, population=alone, labels=labels, rho=one.rho[:n_pops])
    found = value(name, single)
    assert math.isfinite(found) or found == math.inf
    assert math.isfinite(found) or METRICS[name].direction == "minimize"


@ALL
def test_it_leaves_what_it_is_given_alone(name):
    one = inputs()
    for part in ("population", "x", "latent", "rho", "labels", "batches"):
        getattr(one, part).flags.writeable = False
    assert value(name, one) == value(name, inputs())

"""How well annotated expressions follow the table: its laws, and a plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.metrics.agreement import table_agreement
from tests.results.conftest import make_annotation

#: A table with unknown entries, and markers that tell nothing: one value, or none known.
RHO = np.array(
    [
        [1.0, -1.0, np.nan, 1.0, np.nan, -1.0],
        [-1.0, 1.0, 1.0, 1.0, np.nan, -0.5],
        [-1.0, np.nan, -1.0, 1.0, np.nan, 1.0],
        [np.nan, 1.0, -1.0, np.nan, np.nan, np.nan],
    ]
)
TELLING = (0, 1, 2, 5)


def plain_table_agreement(x_NM: np.ndarray, population_N: np.ndarray, rho_PM: np.ndarray) -> float:
    """The definition, marker by marker and cell by cell."""
    agreements = []
    for m in range(rho_PM.shape[1]):
        if len({value for value in rho_PM[:, m] if not np.isnan(value)}) < 2:
            continue
        entry_N = rho_PM[population_N, m]
        known = ~np.isnan(entry_N)
        x, entry = x_NM[known, m].astype(float), entry_N[known]
        if len(set(x)) < 2 or len(set(entry)) < 2:
            agreements.append(0.0)
        else:
            agreements.append(np.corrcoef(x, entry)[0, 1] * known.mean())
    return float(np.mean(agreements)) if agreements else 0.0


@st.composite
def annotated(draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells, their populations and a table, of any size and quality."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_cells, n_pops, n_markers = draw(
        st.tuples(st.integers(3, 80), st.integers(1, 6), st.integers(1, 7))
    )
    levels = draw(st.sampled_from([[-1.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, -0.4, 0.3, 1.0]]))
    rho = rng.choice(levels, (n_pops, n_markers))
    rho[rng.random(rho.shape) < draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))] = np.nan
    population = rng.integers(n_pops, size=n_cells)
    signal = draw(st.sampled_from([0.0, 0.5, 3.0]))
    x = signal * np.nan_to_num(rho)[population] + rng.normal(size=(n_cells, n_markers))
    return x.astype(np.float32), population, rho


@settings(deadline=None, max_examples=200)
@given(annotated())
def test_it_is_what_its_definition_says(case):
    assert table_agreement(*case) == pytest.approx(plain_table_agreement(*case), abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(annotated())
def test_it_is_a_number_of_at_most_one(case):
    found = table_agreement(*case)
    assert type(found) in (float, int, np.float64)
    assert -1 - 1e-9 <= found <= 1 + 1e-9


@settings(deadline=None, max_examples=100)
@given(
    annotated(),
    st.lists(st.floats(0.01, 100), min_size=7, max_size=7),
    st.lists(st.floats(-20, 20), min_size=7, max_size=7),
)
def test_scale_and_origin_of_a_marker_make_no_difference(case, factors, shifts):
    x, population, rho = case
    n_markers = x.shape[1]
    other = x.astype(float) * factors[:n_markers] + shifts[:n_markers]
    expected = table_agreement(x, population, rho)
    assert table_agreement(other, population, rho) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(annotated(), st.integers(0, 2**32 - 1))
def test_the_order_of_cells_populations_and_markers_makes_no_difference(case, seed):
    x, population, rho = case
    rng = np.random.default_rng(seed)
    cells, markers = rng.permutation(len(x)), rng.permutation(x.shape[1])
    rows = rng.permutation(len(rho))
    place = np.argsort(rows)
    found = table_agreement(x[cells][:, markers], place[population[cells]], rho[rows][:, markers])
    assert found == pytest.approx(table_agreement(x, population, rho), abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(annotated())
def test_expressions_the_other_way_round_have_the_opposite_agreement(case):
    x, population, rho = case
    expected = -table_agreement(x, population, rho)
    assert table_agreement(-x, population, rho) == pytest.approx(expected, abs=1e-9)
    assert table_agreement(x, population, -rho) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(annotated(), st.integers(2, 5))
def test_the_same_cells_several_times_agree_as_well(case, times):
    x, population, rho = case
    found = table_agreement(np.tile(x, (times, 1)), np.tile(population, times), rho)
    assert found == pytest.approx(table_agreement(x, population, rho), abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 6))
def test_expressions_equal_to_the_table_agree_fully(seed, n_pops, n_markers):
    """The entries of a marker may be any: a line through them is enough."""
    rng = np.random.default_rng(seed)
    rho = np.array([rng.permutation(np.linspace(-1, 1, n_pops)) for _ in range(n_markers)]).T
    population = np.concatenate([np.arange(n_pops), rng.integers(n_pops, size=30)])
    assert table_agreement(rho[population], population, rho) == pytest.approx(1)
    assert table_agreement(3 - 0.1 * rho[population], population, rho) == pytest.approx(-1)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.data())
def test_an_unknown_entry_costs_the_share_of_its_cells(seed, data):
    rng = np.random.default_rng(seed)
    rho = rng.choice([-1.0, 1.0], (4, 3))
    rho[:2] = [[1, 1, 1], [-1, -1, -1]]  # remain, so that every marker tells something
    population = np.concatenate([np.arange(4), rng.integers(4, size=60)])
    row, marker = data.draw(st.integers(2, 3)), data.draw(st.integers(0, 2))
    less = rho.copy()
    less[row, marker] = np.nan
    lost = (population == row).mean() / 3
    found = table_agreement(rho[population], population, less)
    assert found == pytest.approx(1 - lost)


def test_cells_cannot_hide_in_a_population_of_which_the_table_says_little():
    """How trainings fail: half of a population drifts into one without entries."""
    rho = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [np.nan, np.nan, -1.0]])
    true = np.arange(300) % 2
    x = rho[true] + 0.2 * np.random.default_rng(0).normal(size=(300, 3))
    hidden = np.where(np.arange(300) % 4 == 0, 2, true)
    assert table_agreement(x, true, rho) > table_agreement(x, hidden, rho) + 0.1


def test_a_marker_with_one_value_or_none_says_nothing():
    rng = np.random.default_rng(0)
    x, population = rng.normal(size=(60, 6)), rng.integers(4, size=60)
    telling = list(TELLING)
    expected = table_agreement(x[:, telling], population, RHO[:, telling])
    assert table_agreement(x, population, RHO) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("x", "population", "rho"),
    [
        (np.zeros((5, 6)), np.zeros(5, int), RHO),  # constant expressions, one population
        (np.zeros((5, 6)), np.arange(5) % 4, RHO),  # constant expressions
        (np.ones((1, 6)), np.zeros(1, int), RHO),  # one cell
        (np.eye(6), np.full(6, 3), RHO),  # one population, hardly known
        (np.eye(6), np.arange(6) % 4, np.full((4, 6), np.nan)),  # nothing known
        (np.eye(6), np.arange(6) % 4, np.ones((4, 6))),  # everything positive
        (np.eye(3), np.zeros(3, int), np.ones((1, 3))),  # a table of one population
    ],
)
def test_where_nothing_can_be_told_it_is_zero(x, population, rho):
    assert table_agreement(x.astype(np.float32), population, rho) == 0


@pytest.mark.parametrize("distance", [1, 50, 1e4])
@pytest.mark.parametrize("value", [0.1, 7.3, -1e3])
def test_constant_expressions_of_the_known_cells_agree_with_nothing(value, distance):
    """Rounding must not be taken for a variance."""
    rho = np.array([[1.0], [-1.0], [np.nan]])
    population = np.random.default_rng(0).integers(3, size=30_000)
    x = np.where(population < 2, value, value + distance)[:, None].astype(np.float32)
    assert table_agreement(x, population, rho) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("origin", "factor"), [(0, 1e-6), (1e6, 1)])
def test_small_differences_agree_as_well_as_large_ones(origin, factor):
    """Without ``dataset.scale`` a marker may vary by a millionth, or far from zero."""
    rho = np.array([[1.0, -1.0], [-1.0, 1.0]])
    population = np.arange(100) % 2
    x = (origin + factor * rho[population]).astype(np.float32)
    assert table_agreement(x, population, rho) == pytest.approx(1)


def test_many_cells_far_away_of_which_nothing_is_known_hide_no_agreement():
    rho = np.array([[1.0], [-1.0], [np.nan]])
    population = np.arange(30_000) % 3
    x = np.where(population < 2, rho[population, 0], 1e3)[:, None].astype(np.float32)
    assert table_agreement(x, population, rho) == pytest.approx(2 / 3)


def test_the_right_annotation_agrees_better_than_a_wrong_one():
    table = make_annotation(["B", "T", "NK"], [0, 1, 2]).table
    true = np.arange(300) % 3
    noise = np.random.default_rng(1).normal(size=(300, table.rho.shape[1]))
    x = np.nan_to_num(table.rho)[true] + 0.3 * noise
    right = table_agreement(x, true, table.rho)
    for share in (0.1, 0.3, 0.6):
        wrong = true.copy()
        some = np.random.default_rng(2).permutation(300)[: int(300 * share)]
        wrong[some] = (wrong[some] + 1) % 3
        now = table_agreement(x, wrong, table.rho)
        assert now < right
        right = now

"""Groups of cells that a population which the table lacks leaves in another row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scyan_exp.data.cells_doubts import find_modes
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.results.hidden import LEAST_SHARE, hidden_groups
from scyan_exp.results.signs import signs_of
from scyan_exp.results.verdict import LIMITS, Level, judge

MARKERS = ["CD3", "CD4", "CD8", "CCR7", "CD19"]
RHO = np.array(
    [
        [1, 1, -1, 1, -1],
        [1, 1, -1, -1, -1],
        [1, -1, 1, 1, -1],
        [1, -1, 1, -1, -1],
        [-1, -1, -1, np.nan, 1],
    ]
)
NAMES = ["naive CD4", "memory CD4", "naive CD8", "memory CD8", "B"]
TABLE = KnowledgeTable(NAMES, MARKERS, RHO)
N = 10_000
RIGHT = np.arange(N) % 5


def draw(population: np.ndarray = RIGHT, noise: float = 0.25) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (np.nan_to_num(RHO)[population] + rng.normal(0, noise, (N, 5))).astype(np.float32)


def without(name: str, nearest: str, population: np.ndarray = RIGHT):
    """The table without a row, and the annotation when its cells go to the nearest one."""
    table = TABLE.edited({}, [name])
    names = np.array(NAMES, dtype=object)
    names[NAMES.index(name)] = nearest
    index = np.array([table.populations.index(one) for one in names])
    return table, index[population]


def test_the_right_table_hides_nothing():
    signs = signs_of(TABLE, draw(), RIGHT, np.zeros(N))
    assert signs.groups == ()
    assert signs.hidden == 0
    assert judge(TABLE, signs).level == Level.GOOD


@pytest.mark.parametrize(
    ("gone", "nearest", "are", "says"),
    [
        ("naive CD8", "memory CD8", "+", "-"),
        ("memory CD4", "naive CD4", "-", "+"),
    ],
)
def test_a_missing_population_stands_apart_in_the_row_that_has_its_cells(gone, nearest, are, says):
    table, population = without(gone, nearest)
    signs = signs_of(table, draw(), population, np.zeros(N))
    group = signs.groups[0]
    assert table.populations[group.population] == nearest
    assert table.markers[group.marker] == "CCR7"
    assert group.share == pytest.approx(0.2, abs=0.01)
    assert group.of_row == pytest.approx(0.5, abs=0.01)
    assert group.gap > 0.9
    verdict = judge(table, signs)
    assert verdict.level == Level.DO_NOT_USE
    apart = f"{group.of_row:.0%} of the cells stand apart, {are} at CCR7, the row says {says}"
    assert (
        f"a population may be missing in the table: of {nearest} {apart} ({group.share:.1%} of all "
        "cells): add a row for these cells, or correct the entry"
    ) in verdict.reasons
    assert apart in verdict.populations[nearest]


def test_a_small_one_is_worth_a_look_and_a_tiny_one_is_not_seen():
    """3% and 0.5% of the cells."""
    levels = {}
    for share in (0.03, 0.005):
        rng = np.random.default_rng(1)
        chances = [0.25, 0.25, share, 0.25 - share, 0.25]
        population = rng.choice(5, N, p=chances)
        table, given = without("naive CD8", "memory CD8", population)
        signs = signs_of(table, draw(population), given, np.zeros(N))
        levels[share] = judge(table, signs).level
        assert (signs.hidden > LIMITS["hidden"].look) == (share > LEAST_SHARE)
    assert levels == {0.03: Level.LOOK, 0.005: Level.GOOD}


def test_a_wide_population_is_no_group():
    """CCR7 of the memory cells reaches across the threshold, without a gap."""
    x = draw()
    memory = np.flatnonzero(RIGHT == 3)
    x[memory, 3] = np.random.default_rng(2).normal(-0.3, 0.5, len(memory))
    threshold = np.zeros(5)
    assert (x[memory, 3] > 0).mean() > 0.2
    assert hidden_groups(RHO, x, RIGHT, threshold) == ()


def test_cells_without_the_positive_markers_of_their_row_are_no_group():
    """Debris and cells of no row, given to the B cells."""
    x = draw()
    lost = np.flatnonzero(RIGHT == 4)[:1000]
    x[lost, 4] -= 2
    assert hidden_groups(RHO, x, RIGHT, np.zeros(5)) == ()
    b_cells = replace(TABLE, rho=np.where(np.isnan(RHO), 1, RHO)).rho  # now CCR7 is typical too
    x[RIGHT == 4, 3] += 1
    (group,) = hidden_groups(b_cells, x, RIGHT, np.zeros(5))
    assert (group.population, group.marker) == (4, 4)


def test_a_marker_that_parts_nothing_tells_nothing():
    table, population = without("naive CD8", "memory CD8")
    assert hidden_groups(table.rho, draw(), population, np.full(5, np.nan)) == ()


def test_a_marker_without_a_gap_sets_no_cells_apart():
    """CCR7 is one hump over all cells, though a row of few has two modes there."""
    rng = np.random.default_rng(4)
    population = rng.choice(5, N, p=[0.3, 0.25, 0.2, 0.05, 0.2])
    x = draw(population)
    x[:, 3] += rng.normal(0, 1, N)
    memory = np.flatnonzero(population == 3)
    x[memory, 3] = rng.choice([-0.7, 0.7], len(memory)) + rng.normal(0, 0.25, len(memory))
    assert find_modes(x[:, 3]) is None
    (group,) = hidden_groups(RHO, x, population, np.zeros(5))
    assert (NAMES[group.population], MARKERS[group.marker]) == ("memory CD8", "CCR7")
    assert signs_of(TABLE, x, population, np.zeros(N)).groups == ()


def test_batches_are_no_groups_and_hide_none():
    """The second batch is higher at CCR7 by the distance of the modes."""
    batch = np.where(np.random.default_rng(3).random(N) < 0.5, "one", "two")
    x = draw()
    x[batch == "two", 3] += 2
    assert signs_of(TABLE, x, RIGHT, np.zeros(N)).hidden > LIMITS["hidden"].look
    assert signs_of(TABLE, x, RIGHT, np.zeros(N), batch).groups == ()
    table, population = without("naive CD8", "memory CD8")
    found = signs_of(table, x, population, np.zeros(N), batch)
    assert found.groups[0].gap > 0.9
    assert found.hidden == pytest.approx(0.2, abs=0.03)

"""Rows that no cell can contradict: the verdict does not take them for matched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.edits import Edit
from scyan_exp.entries.effects import Annotated, effect_of
from scyan_exp.results.signs import Signs, signs_of
from scyan_exp.results.verdict import Level, Verdict, judge
from tests.data.test_cells_doubts import TABLE, draw
from tests.results.test_signs import LOST, RIGHT, N

DEAD = 4
#: A dye by which no gap parts the cells, and a row of which nothing else is known.
WITH_DYE = replace(TABLE, markers=[*TABLE.markers, "dye"], rho=np.c_[TABLE.rho, [np.nan] * 4])
WITH_DEAD = KnowledgeTable(
    [*TABLE.populations, "dead"],
    WITH_DYE.markers,
    np.vstack([WITH_DYE.rho, [np.nan] * 4 + [1]]),
)
X = np.c_[draw(), np.random.default_rng(1).gamma(2, 1, N)].astype(np.float32)
X[:60, :4] += 2 * (TABLE.rho[1] > 0)  # also B cells, by sign: doublets that match the dead alone
DYED = np.argsort(X[:, -1])


def signs(table: KnowledgeTable, population: np.ndarray, x: np.ndarray = X) -> Signs:
    return signs_of(table, x, population, np.zeros(len(x)))


def verdict(population: np.ndarray, x: np.ndarray = X) -> Verdict:
    return judge(WITH_DEAD, signs(WITH_DEAD, population, x))


def dead(population: np.ndarray, share: float = 0.02) -> np.ndarray:
    """The cells with most of the dye are called dead."""
    return np.where(np.isin(np.arange(N), DYED[-int(share * N) :]), DEAD, population)


def test_a_right_annotation_with_dead_cells_is_good():
    found = verdict(dead(RIGHT))
    assert (found.level, found.reasons) == (Level.GOOD, [])
    assert found.populations == {"dead": ["not judged: its row has no sign at a marker with a gap"]}


@pytest.mark.parametrize(
    ("population", "level", "said"),
    [
        (dead(LOST), Level.DO_NOT_USE, "of the cells that fit one row best, 75% were given it"),
        (dead(np.array([1, 0, 2, 3])[RIGHT]), Level.DO_NOT_USE, "fit another row better"),
        (dead(RIGHT, 0.15), Level.LOOK, "of the agreement with the table: fill blanks"),
        (dead(RIGHT, 0.5), Level.DO_NOT_USE, "of the agreement with the table: fill blanks"),
    ],
)
def test_a_wrong_one_beside_it_is_not(population, level, said):
    found = verdict(population)
    assert found.level == level
    assert any(said in reason for reason in found.reasons)


def test_cells_like_no_row_are_counted_beside_a_row_that_any_cell_matches():
    x = X.copy()
    x[: N // 2, :4] = 1
    assert signs(WITH_DEAD, dead(RIGHT), x).unmatched == pytest.approx(0.49, abs=5e-3)
    assert any("49% of the cells match no row" in one for one in verdict(dead(RIGHT), x).reasons)


@pytest.mark.parametrize("population", [RIGHT, LOST])
def test_a_row_that_tells_nothing_and_has_no_cells_changes_no_sign(population):
    without, beside = (signs(table, population) for table in (WITH_DYE, WITH_DEAD))
    assert beside.numbers() == pytest.approx(without.numbers())
    np.testing.assert_array_equal(beside.testable, [*without.testable, False])


def test_an_edit_of_the_table_is_judged_beside_a_row_that_any_cell_matches():
    flipped = WITH_DEAD.edited({"T cells": {"CD19": 1}})
    edit = Edit("T cells", "CD19", 1, None)
    assert effect_of(edit, Annotated(flipped, X, RIGHT), RIGHT).opposite == pytest.approx(
        1, abs=0.1
    )


ACTIVATED = KnowledgeTable(
    [*TABLE.populations, "activated T cells", "activated others"],
    WITH_DYE.markers,
    np.vstack([WITH_DYE.rho, [1, *[np.nan] * 3, 1], [-1, *[np.nan] * 3, 1]]),
)


@pytest.mark.parametrize(("share", "level"), [(0.1, Level.GOOD), (0.2, Level.LOOK)])
def test_where_each_cell_matches_two_rows_the_one_with_more_signs_counts(share, level):
    """Activated cells have signs of their own only at a marker without a gap."""
    population = np.where(dead(RIGHT, share) != DEAD, RIGHT, np.where(RIGHT == 0, 4, 5))
    found = signs(ACTIVATED, population)
    assert found.kept == pytest.approx(1 - share, abs=0.01)
    kept = [one for one in judge(ACTIVATED, found).reasons if "fit one row best" in one]
    assert bool(kept) == (level == Level.LOOK)

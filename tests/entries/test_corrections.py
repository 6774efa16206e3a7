"""In which order entries that contradict the cells are said, from cells made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.corrections import Correction, corrections
from scyan_exp.entries.edits import Edit
from scyan_exp.entries.effects import Annotated, Effect

OF_EACH = 500
EACH = np.repeat(range(4), OF_EACH)
RHO = np.array([[1, -1, -1, -1], [-1, 1, -1, -1], [-1, -1, 1, -1], [1, -1, 1, 1]], float)
#: The names of the rows say nothing.
TABLE = KnowledgeTable(["P", "Q", "R", "S"], ["CD3", "CD19", "CD56", "CD8"], RHO)


def cells(table: KnowledgeTable, noise: float = 0.1, population: np.ndarray = EACH) -> Annotated:
    """Cells as the right table says."""
    x = RHO[population] + np.random.default_rng(0).normal(0, noise, (len(population), 4))
    return Annotated(table, x.astype(np.float32), population)


def effect(row: str, marker: str, before: float, opposite: float) -> Effect:
    return Effect(Edit(row, marker, before, None), 0, "", "", 0, 0, np.nan, opposite)


def entries(found: list[Correction]) -> list[tuple[str, str]]:
    return [(one.effect.edit.population, one.effect.edit.marker) for one in found]


def test_the_wrong_entry_stands_before_one_that_only_seems_wrong_because_of_it():
    """P cells have no row. As S cells without CD56 and CD8 they would have one."""
    flipped = cells(TABLE.edited({"P": {"CD19": 1}, "S": {"CD8": None}}))
    found = corrections([effect("S", "CD56", 1, 1.0), effect("P", "CD19", 1, 0.9)], flipped)
    assert entries(found) == [("P", "CD19"), ("S", "CD56")]
    first, second = found
    assert (first.gained, first.lost) == (pytest.approx(1 / 4), 0)
    # S cells, which would contradict one entry rather than none.
    assert (second.gained, second.lost) == (0, pytest.approx((1 - np.exp(-2)) / 4))
    assert first.score > 0 > second.score


def test_two_wrong_entries_of_a_row_are_both_seen():
    wrong = cells(TABLE.edited({"P": {"CD19": 1, "CD8": 1}}))
    tried = [effect("Q", "CD3", -1, 1.0), effect("P", "CD8", 1, 0.8), effect("P", "CD19", 1, 0.9)]
    found = corrections(tried, wrong)
    assert set(entries(found)[:2]) == {("P", "CD8"), ("P", "CD19")}
    assert found[0].score > 0 < found[1].score
    assert entries(found)[2] == ("Q", "CD3")


def test_a_row_that_says_more_of_phe_cells_goes_before_one_of_blanks():
    """P cells would match both rows; the second one has no cells, and says nothing of CD8."""
    rho = np.vstack([RHO, [-1, -1, -1, np.nan]])
    table = KnowledgeTable([*TABLE.populations, "few signs"], TABLE.markers, rho)
    flipped = cells(table.edited({"P": {"CD19": 1}}))
    tried = [effect("few signs", "CD3", -1, 1.0), effect("P", "CD19", 1, 0.9)]
    found = corrections(tried, flipped)
    assert entries(found) == [("P", "CD19"), ("few signs", "CD3")]
    assert found[1].gained == 0


def test_without_a_marker_that_parts_cells_nothing_is_gained():
    humps = cells(TABLE)
    humps.x[:] = np.random.default_rng(1).normal(0, 0.4, humps.x.shape)
    none = Annotated(TABLE, humps.x, np.full(len(EACH), -1))
    found = corrections([effect("P", "CD19", -1, 0.6), effect("Q", "CD3", -1, 0.7)], none)
    assert [(one.gained, one.lost) for one in found] == [(0, 0), (0, 0)]


def test_a_row_with_cells_of_both_signs_is_not_the_first_to_correct():
    """Two thirds of the cells like R cells are CD8+: they lack a row, and the row has cells."""
    population = np.concatenate([EACH, np.full(1000, 2)])
    table = TABLE.edited({"S": {"CD56": -1, "CD8": -1, "CD19": 1}})
    mixed = cells(table, population=population)
    mixed.x[len(EACH) :, 3] += 2
    (found,) = corrections([effect("R", "CD8", -1, 2 / 3)], mixed)
    assert found.gained > 2 * found.lost
    assert found.score < 0


def test_where_nothing_is_gained_the_farthest_over_stand_first():
    found = corrections(
        [effect("P", "CD19", -1, 0.6), effect("Q", "CD3", -1, 1.0), effect("R", "CD8", -1, 0.8)],
        cells(TABLE),
    )
    assert entries(found) == [("Q", "CD3"), ("R", "CD8"), ("P", "CD19")]
    assert all(one.gained == 0 < one.lost for one in found)


# ---------------------------------------------------------------- rows without cells


def test_an_entry_of_a_row_without_cells_is_listed_if_cells_speak_for_it():
    """Making entries of the row blank has told nothing."""
    flipped = cells(TABLE.edited({"P": {"CD19": 1}}))
    tried = [effect("P", marker, 1, np.nan) for marker in ("CD3", "CD19")]
    (found,) = corrections(tried, flipped)
    assert entries([found]) == [("P", "CD19")]
    assert (found.gained, found.lost) == (pytest.approx(1 / 4), 0)
    assert found.together is None


def test_of_a_row_with_cells_or_with_a_named_entry_what_is_not_told_is_left_out():
    flipped = cells(TABLE.edited({"P": {"CD19": 1}}))
    tried = [effect("Q", "CD3", -1, np.nan), effect("P", "CD19", 1, np.nan)]
    found = corrections([*tried, effect("P", "CD3", 1, 0.6)], flipped)
    assert entries(found) == [("P", "CD3")]


#: P8 cells differ from P cells by CD8 alone.
LIKE = np.array([[1, -1, -1, -1], [-1, 1, -1, 1], [-1, -1, 1, -1], [1, -1, -1, 1]], float)


def like(flips: dict[str, float], p8: str = "P8", population: np.ndarray = EACH) -> Annotated:
    """Cells of ``LIKE``, beside a table whose row P is wrong."""
    x = LIKE[population] + np.random.default_rng(0).normal(0, 0.1, (len(population), 4))
    table = KnowledgeTable(["P", "Q", "R", p8], TABLE.markers, LIKE).edited({"P": flips})
    return Annotated(table, x.astype(np.float32), population)


def test_two_wrong_entries_that_hide_each_other_are_found_together():
    """With one of them corrected, P cells still match their row no better than that of P8 cells."""
    wrong = like({"CD19": 1, "CD56": 1})
    hidden = [effect("P", marker, 1, np.nan) for marker in ("CD3", "CD56", "CD19")]
    found = corrections([*hidden, effect("P8", "CD8", 1, 0.8)], wrong)
    assert entries(found) == [("P", "CD19"), ("P", "CD56"), ("P8", "CD8")]
    first, second, other = found
    assert first.gained == second.gained == pytest.approx(1 / 4)
    assert (first.together, second.together) == (second.effect, first.effect)
    assert other.together is None
    assert other.score < 0


def test_an_entry_that_the_name_says_is_no_rival_and_stands_last():
    """There are no P8 cells, and P cells would match their row as well without its CD8."""
    flips, population = {"CD19": 1}, EACH[: 3 * OF_EACH]
    of_p = effect("P", "CD19", 1, 0.9)
    found = corrections([effect("P8", "CD8", 1, 1.0), of_p], like(flips, "P8", population))
    assert entries(found) == [("P8", "CD8"), ("P", "CD19")]
    assert found[0].gained == pytest.approx(1 / 6)
    found = corrections([effect("CD8+ P", "CD8", 1, 1.0), of_p], like(flips, "CD8+ P", population))
    assert entries(found) == [("P", "CD19"), ("CD8+ P", "CD8")]
    assert [one.gained for one in found] == [pytest.approx(1 / 3), 0]


def test_entries_that_the_cells_do_not_contradict_and_fillings_are_left_out():
    tried = [effect("P", "CD19", -1, 0.5), effect("Q", "CD3", -1, np.nan)]
    assert corrections(tried, cells(TABLE)) == []


def test_at_a_marker_without_a_gap_the_populations_part_the_sides():
    """CD8 is one hump over all cells; CD8 of the S cells is higher than that of the others."""
    flipped = cells(TABLE.edited({"R": {"CD8": 1}}))
    flipped.x[:, 3] = np.random.default_rng(1).normal(0.3 * RHO[EACH, 3], 0.4)
    assert 3 not in flipped.sides.usable
    (found,) = corrections([effect("R", "CD8", 1, 0.9)], flipped)
    assert found.gained > 1.5 * found.lost > 0


def test_a_marker_of_which_nothing_can_be_said_changes_nothing():
    table = TABLE.edited({row: {"CD8": None} for row in TABLE.populations[1:]})
    one_hump = cells(table)
    one_hump.x[:, 3] = np.random.default_rng(1).normal(0, 0.4, len(EACH))
    (found,) = corrections([effect("P", "CD8", -1, 0.9)], one_hump)
    assert (found.gained, found.lost) == (0, 0)


@given(order=st.permutations(range(5)), flips=st.lists(st.integers(0, 15), max_size=3, unique=True))
def test_the_order_of_the_edits_does_not_matter(order, flips):
    rho = RHO.copy()
    rho.ravel()[flips] *= -1
    wrong = cells(KnowledgeTable(TABLE.populations, TABLE.markers, rho))
    known = [(row, marker) for row in range(4) for marker in range(4)][::3][:5]
    tried = [
        effect(TABLE.populations[p], TABLE.markers[m], rho[p, m], 0.6 + 0.05 * i)
        for i, (p, m) in enumerate(known)
    ]
    found = corrections([tried[i] for i in order], wrong)
    assert found == corrections(tried, wrong)
    assert sorted(entries(found)) == sorted(entries([Correction(one, 0, 0) for one in tried]))
    assert all(0 <= one.gained <= 1 and 0 <= one.lost <= 1 for one in found)


# ---------------------------------------------------------------- what names say


def named(flips: dict[str, dict[str, float | None]], *rows: str) -> Annotated:
    """Cells of ``TABLE`` beside a table whose rows have names, some of its entries wrong."""
    table = KnowledgeTable(list(rows), TABLE.markers, RHO).edited(flips)
    return Annotated(table, cells(TABLE).x, EACH)


def test_an_entry_against_the_definition_of_its_cells_stands_first():
    """More cells speak for the other one, and no training has told anything of the first."""
    flips = {"NK cells": {"CD3": 1}, "P": {"CD19": 1}}
    wrong = named(flips, "P", "Q", "NK cells", "S")
    wrong.x[EACH == 2][100:] = wrong.x[EACH == 0][100:]
    tried = [effect("P", "CD19", 1, 1.0), effect("NK cells", "CD3", 1, np.nan)]
    first, second = corrections(tried, wrong)
    assert entries([first, second]) == [("NK cells", "CD3"), ("P", "CD19")]
    assert first.said == "NK cells are CD3- by definition"
    assert first.gained > 0 < second.gained
    assert second.said == ""


def test_of_several_entries_against_names_the_one_with_most_cells_stands_first():
    flips = {"NK cells": {"CD3": 1}, "T cells": {"CD19": 1}}
    wrong = named(flips, "T cells", "Q", "NK cells", "S")
    few = Annotated(wrong.table, np.delete(wrong.x, np.flatnonzero(EACH == 0)[50:], axis=0), EACH)
    tried = [effect("T cells", "CD19", 1, np.nan), effect("NK cells", "CD3", 1, 0.9)]
    assert entries(corrections(tried, few)) == [("NK cells", "CD3"), ("T cells", "CD19")]


def test_an_entry_of_which_a_definition_is_sure_is_no_rival_and_stands_last():
    wrong = named({"P": {"CD19": 1}}, "P", "Q", "NK cells", "S")
    found = corrections([effect("NK cells", "CD56", 1, 1.0), effect("P", "CD19", 1, 0.9)], wrong)
    assert entries(found) == [("P", "CD19"), ("NK cells", "CD56")]


def test_a_filled_blank_is_no_entry_to_correct():
    filled = Effect(Edit("NK cells", "CD3", None, 1.0), 0, "", "", 0, 0, np.nan, np.nan)
    assert corrections([filled], named({}, "P", "Q", "NK cells", "S")) == []


def test_in_a_row_whose_cells_are_known_any_entry_may_be_wrong():
    """Its training has told nothing of the entry, and some cells match the row as it is."""
    for name, expected in (("NK cells", [("NK cells", "CD8")]), ("R", [])):
        wrong = named({name: {"CD8": 1}}, "P", "Q", name, "S")
        wrong.x[np.flatnonzero(EACH == 2)[:20], 3] = 1
        for opposite in (np.nan, 0.3):
            assert entries(corrections([effect(name, "CD8", 1, opposite)], wrong)) == expected
        assert corrections([effect(name, "CD8", 1, 0.2)], wrong) == []

"""What edits did, from annotations made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.corrections import Correction
from scyan_exp.entries.edits import Edit
from scyan_exp.entries.effects import Annotated, Effect, effect_of
from scyan_exp.entries.figure import entries_figure
from scyan_exp.entries.report import as_csv, words

TABLE = KnowledgeTable(["T", "B"], ["CD3", "CD19"], np.array([[1.0, -1.0], [-1.0, 1.0]]))
FIRST = np.repeat([0, 1], 100)


@pytest.fixture
def cells():
    """A hundred T cells, then a hundred B cells, as the table says."""
    x = TABLE.rho[FIRST] + np.random.default_rng(0).normal(0, 0.1, (200, 2))
    return Annotated(TABLE, x.astype(np.float32), FIRST)


def test_moved_cells_are_counted(cells):
    after = FIRST.copy()
    after[:50] = 1
    effect = effect_of(Edit("B", "CD3", -1, None), cells, after)
    assert (effect.changed, effect.gains, effect.loses) == (0.25, "B", "T")
    assert effect.agreement < -0.1


def test_an_entry_counts_for_the_agreement_of_neither_run(cells):
    """Blanking an entry moves no cells here, so nothing may seem better or worse."""
    wrong = replace(cells, table=cells.table.edited({"T": {"CD3": -1}}))
    for edit in (Edit("T", "CD3", -1, None), Edit("B", "CD3", -1, None)):
        effect = effect_of(edit, wrong, FIRST)
        assert (effect.changed, effect.gains, effect.loses, effect.agreement) == (0, "", "", 0)


@pytest.mark.parametrize(("said", "opposite"), [(1, 0), (-1, 1)])
def test_the_other_side_is_that_of_the_cells_which_the_rest_of_the_row_finds(cells, said, opposite):
    effect = effect_of(Edit("T", "CD3", said, None), cells, FIRST)
    assert effect.opposite == pytest.approx(opposite, abs=0.02)


def test_of_fillings_few_cells_and_middling_entries_no_side_is_told(cells):
    few = np.where(np.arange(200) < 10, 0, 1)
    for edit, after in (
        (Edit("T", "CD3", None, 1), FIRST),
        (Edit("T", "CD3", 1, None), few),
        (Edit("T", "CD3", 0, None), FIRST),
    ):
        assert np.isnan(effect_of(edit, cells, after).opposite)


def test_cells_without_a_population_are_left_out_of_the_agreement(cells):
    after = FIRST.copy()
    after[:10] = -1
    effect = effect_of(Edit("B", "CD3", -1, None), cells, after)
    assert effect.changed == 0.05
    assert effect.agreement == 0


EFFECTS = [
    Effect(Edit("T", "CD3", 1, None), 0.3, "B", "T", -0.1, 1, np.nan, 0.1),
    Effect(Edit("T", "CD19", -1, None), 0.01, "T", "B", 0.02, -0.5, np.nan, 0.7),
    Effect(Edit("B", "CD3", -1, None), 0.0, "", "", 0, -1.0, np.nan, 0.9),
    Effect(Edit("B", "CD19", None, -1), 0.2, "T", "B", -0.2, 0, np.nan, np.nan),
    Effect(Edit("B", "CD19", None, 1), 0.1, "B", "T", 0.05, -0.5, np.nan, np.nan),
]
CONTRADICT = "These entries contradict the cells or names (the first ones may explain the others):"
#: As they would be if B cells' CD3 were the first to correct.
TO_CORRECT = [Correction(EFFECTS[2], 0.25, 0.05), Correction(EFFECTS[1], 0.0, 0.1)]


def test_words_name_what_matters_what_contradicts_and_what_to_fill():
    lines = list(words(EFFECTS, TO_CORRECT))
    assert lines == [
        "The annotation hangs most on these entries (share of the cells that change):",
        "  T, CD3: 1 -> blank: 30.0% of the cells, most leave T, most go to B",
        "  T, CD19: -1 -> blank: 1.0% of the cells, most leave B, most go to T",
        "Of the blanks, these change most when filled:",
        "  B, CD19: blank -> -1: 20.0% of the cells, most leave B, most go to T",
        "  B, CD19: blank -> 1: 10.0% of the cells, most leave T, most go to B",
        CONTRADICT,
        "  B, CD3: -1 -> blank: 90% of the way to the cells of the opposite sign, with which 25.0% "
        "of the cells fit the table better",
        "  T, CD19: -1 -> blank: 70% of the way to the cells of the opposite sign",
        "These blanks would be worth filling (the cells follow the rest of the table better):",
        "  B, CD19: blank -> 1: agreement +0.050, 10.0% of the cells, most leave T, most go to B",
    ]


def test_words_name_entries_of_which_trainings_tell_nothing():
    a, b = (
        replace(EFFECTS[0], edit=Edit("T", m, 1, None), opposite=np.nan) for m in ("CD3", "CD8")
    )
    pair = [Correction(a, 0.25, 0, together=b), Correction(b, 0.25, 0, together=a)]
    said = Correction(a, 0.03, 0.02, said="T cells are CD3- by definition")
    lines = list(words([a, b], [*pair, Correction(a, 0.02, 0), said]))
    hardly = "hardly any cell fits the row now"
    assert lines[lines.index(CONTRADICT) + 1 :] == [
        "  T, CD3: 1 -> blank: with the opposite sign here and at CD8 25.0% of the cells fit the "
        f"table better; {hardly}",
        "  T, CD8: 1 -> blank: with the opposite sign here and at CD3 25.0% of the cells fit the "
        f"table better; {hardly}",
        "  T, CD3: 1 -> blank: with the opposite sign 2.0% of the cells fit the table better; "
        "making it blank tells nothing",
        "  T, CD3: 1 -> blank: T cells are CD3- by definition; with the opposite sign 3.0% of the "
        "cells fit the table better, 2.0% worse",
    ]


def test_words_say_that_there_is_nothing():
    still = Effect(Edit("T", "CD3", 1, None), 0.0, "", "", 0, 0, np.nan, 0.1)
    filled = Effect(Edit("B", "CD19", None, -1), 0.0, "", "", 0, 0, np.nan, np.nan)
    assert list(words([still, filled], [])) == [
        "No edit changes the annotation of 0.5% of the cells or more.",
        "No entry contradicts the cells.",
        "Filling a blank makes no cells follow the rest of the table clearly better.",
    ]


def test_the_table_has_a_row_an_edit():
    lines = as_csv(EFFECTS, TO_CORRECT).splitlines()
    assert lines[0].startswith("population,marker,before,after,changed,gains,loses,opposite_side")
    assert lines[1] == "T,CD3,1,,0.3,B,T,0.1,-0.1,1,,"
    assert [line.rpartition(",")[2] for line in lines[2:4]] == ["2", "1"]
    assert lines[5] == "B,CD19,,1,0.1,B,T,,0.05,-0.5,,"


def test_the_figure_shows_the_larger_share_of_a_filled_blank():
    figure = entries_figure(TABLE, EFFECTS)
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[30, 1], [0, 20]])
    signs = [text.get_text() for text in axes.texts]
    assert signs == ["+", "\N{MINUS SIGN}", "\N{MINUS SIGN}", "(\N{MINUS SIGN})"]


OF_EACH = 2000
EACH = np.repeat(range(4), OF_EACH)


@pytest.fixture(scope="module")
def lineages():
    """As many T, B, NK and NK T cells, in this order, as the table says."""
    rho = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, -1, 1]], float)
    table = KnowledgeTable(["T", "B", "NK", "NK T"], ["CD3", "CD19", "CD56"], rho)
    x = rho[EACH] + np.random.default_rng(0).normal(0, 0.1, (len(EACH), 3))
    return Annotated(table, x.astype(np.float32), EACH)


def opposite(cells: Annotated, row: str, marker: str, before: float, after=EACH) -> float:
    return effect_of(Edit(row, marker, before, None), cells, after).opposite


def test_a_flipped_entry_is_seen_and_misleads_about_no_other(lineages):
    flipped = replace(lineages, table=lineages.table.edited({"T": {"CD19": 1}}))
    assert opposite(flipped, "T", "CD19", 1) == pytest.approx(1, abs=0.05)
    for row, before in (("B", 1), ("NK", -1), ("NK T", -1)):
        assert opposite(flipped, row, "CD19", before) == pytest.approx(0, abs=0.05)


def test_a_row_that_is_another_without_the_entry_contradicts_nothing(lineages):
    """NK T cells without CD3 are NK cells, which come when the entry is blank."""
    after = np.where(EACH == 2, 3, EACH)
    assert opposite(lineages, "NK T", "CD3", 1, after) == pytest.approx(0, abs=0.05)


def test_where_no_other_row_knows_the_marker_the_gap_tells(lineages):
    table = lineages.table.edited({row: {"CD19": None} for row in ("B", "NK", "NK T")})
    assert opposite(replace(lineages, table=table), "T", "CD19", -1) == pytest.approx(0, abs=0.01)
    assert opposite(replace(lineages, table=table), "T", "CD19", 1) == pytest.approx(1, abs=0.01)
    x = lineages.x.copy()
    x[:, 1] = np.random.default_rng(1).normal(0, 0.1, len(x))
    assert np.isnan(opposite(Annotated(table, x, EACH), "T", "CD19", -1))

"""Which blanks of a table are worth filling."""

from __future__ import annotations

import numpy as np

from scyan_exp.entries.edits import Edit
from scyan_exp.entries.effects import Effect
from scyan_exp.entries.fillings import CLEARLY, worth_filling


def filled(marker: str, sign: float, agreement: float, loss: float, row: str = "P1") -> Effect:
    """A blank of a row, filled."""
    return Effect(Edit(row, marker, None, sign), 0.1, "", "", agreement, loss, np.nan, np.nan)


def test_the_best_filling_stands_first_and_small_rises_are_chance():
    first, second = filled("CD4", 1, 0.02, -1), filled("CD8", -1, CLEARLY, -1)
    chance, worse = filled("CD3", 1, 0.9 * CLEARLY, -1), filled("CD19", 1, -0.1, -1)
    assert worth_filling([chance, second, worse, first]) == [first, second]


def test_of_two_signs_only_the_one_that_cells_fit_better_may_be_named():
    fits, empties = filled("CD4", -1, 0.01, -0.3), filled("CD4", 1, 0.05, 7.0)
    assert worth_filling([empties, fits]) == [fits]
    assert worth_filling([filled("CD4", -1, 0.0, -0.3), empties]) == []
    assert worth_filling([filled("CD4", -1, 0.01, np.nan), empties]) == [empties]


def test_a_sign_that_the_name_denies_is_never_named():
    denied, allowed = (filled("CD3", sign, 0.05, 0, row="NK cells") for sign in (1, -1))
    assert worth_filling([denied]) == []
    assert worth_filling([allowed]) == [allowed]


def test_entries_made_blank_are_no_fillings():
    blanked = Effect(Edit("P1", "CD4", 1, None), 0.1, "", "", 0.05, -1, np.nan, np.nan)
    assert worth_filling([blanked]) == []

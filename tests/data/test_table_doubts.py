"""What a table says wrong, before any cell is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.data.table import KnowledgeTable, load_table
from scyan_exp.data.table_doubts import table_doubts, table_remarks
from scyan_exp.errors import InputError

NAN = np.nan
#: Names that say nothing of the cells.
ROWS = {"one": [1, -1, -1], "two": [-1, 1, -1], "three": [-1, -1, 1]}


def table_of(**rows: list[float]) -> KnowledgeTable:
    merged = {**ROWS, **{name.replace("_", " "): row for name, row in rows.items()}}
    return KnowledgeTable(list(merged), ["CD3", "CD19", "CD56"], np.array(list(merged.values())))


def test_nothing_is_said_of_a_good_table():
    assert table_doubts(table_of()) == table_remarks(table_of()) == []


@pytest.mark.parametrize(
    ("rows", "doubt"),
    [
        ({"five": [NAN] * 3}, "nothing is known of population 'five': cells of any kind will go"),
        ({"one": [-1, 1, -1]}, "populations 'one' and 'two' have the same row: their"),
        ({"four": [-1, -1, 1]}, "populations 'three' and 'four' have the same row"),
        (
            {"one": [1, 0, 0], "two": [0, 1, 0], "three": [0, 0, 1]},
            "there is no -1, and there are 0s: 0 means half-way between negative and positive.",
        ),
        (
            {"CD56+_CD3neg_cells": [1, -1, 1]},
            "population 'CD56+ CD3neg cells', marker 'CD3': the name says -1, the entry is 1. "
            "Correct the entry or the name",
        ),
        (
            {"NK_cells": [1, -1, 1]},
            "population 'NK cells', marker 'CD3': NK cells are CD3- by definition, the entry is 1. "
            "Correct the entry or the name",
        ),
    ],
)
def test_each_mistake_is_named(rows, doubt):
    (said,) = table_doubts(table_of(**rows))
    assert said.startswith(doubt)


@pytest.mark.parametrize(
    ("rows", "remark"),
    [
        (
            {"one": [1, -1, NAN], "two": [-1, 1, NAN], "three": [-1, -1, NAN]},
            "marker 'CD56' is blank in every row: fill in what you know, and drop the columns of "
            "which you know nothing",
        ),
        (
            {"four": [NAN, -1, 1]},
            "populations 'three' and 'four' differ only where one of them is blank: a value at "
            "CD3 would part them",
        ),
        (
            {"one": [1, -1, 1], "two": [-1, 1, 1], "three": [-1, -1, 1]},
            "marker 'CD56' is 1 wherever it is known: it parts no populations",
        ),
        (
            {"one": [1, -1, NAN], "two": [-1, 1, 1], "three": [-1, -1, 1]},
            "marker 'CD56' is 1 wherever it is known: no row says -1",
        ),
        (
            {"one": [1, -1, NAN], "two": [-1, 1, -0.5], "three": [-1, -1, -0.5]},
            "marker 'CD56' is -0.5 wherever it is known: no row says 1",
        ),
        (
            {"one": [1, -1, NAN], "two": [-1, 1, 0], "three": [-1, -1, 0]},
            "marker 'CD56' is 0 wherever it is known: no row says 1 or -1",
        ),
        (
            {"one": [1, -1, 0.5], "two": [-1, 1, 1], "three": [-1, -1, 1]},
            "marker 'CD56' has no -1: every population expresses it",
        ),
        (
            {"one": [1, -1, -0.5], "two": [-1, 1, -1], "three": [-1, -1, -1]},
            "marker 'CD56' has no 1: no population expresses it",
        ),
    ],
)
def test_each_doubtful_entry_is_shown(rows, remark):
    assert table_doubts(table_of(**rows)) == []
    assert table_remarks(table_of(**rows)) == [remark]


@pytest.mark.parametrize("number", [0, -1, 1, 0.5])
def test_a_blank_and_a_number_are_not_the_same_row(number):
    table = table_of(one=[1, -1, NAN], two=[1, -1, number], three=[-1, -1, 1])
    assert table_doubts(table) == []


def test_the_row_of_other_cells_is_one_line():
    (_, said) = table_doubts(table_of(T_cells=[1, -1, -1], B_cells=[1, -1, 1], two=[-1, 0, -1]))
    assert said == (
        "population 'B cells': CD3, CD19, CD56 have the opposite sign of what the name says (for "
        "the first, B cells are CD3- by definition). Is this the row of other cells?"
    )


def test_a_column_of_another_marker_is_one_line():
    """CD19 and CD56 exchanged: each row has two wrong signs, or none."""
    rows = {"T_cells": [1, -1, -1], "B_cells": [-1, -1, 1], "NK_cells": [-1, 1, -1]}
    more = {"Naive B cells": [-1, -1, 1], "CD56bright NK": [-1, 1, -1]}
    exchanged = table_of(**rows, **more)
    doubts = [one for one in table_doubts(exchanged) if one.startswith("marker")]
    assert doubts == [
        "marker 'CD19': B cells, NK cells, Naive B cells, ... (4 in all) have the opposite sign of "
        "what their names say (for the first, B cells are CD19+ by definition). Is this the column "
        "of another marker?",
        "marker 'CD56': B cells, NK cells, Naive B cells, ... (4 in all) have the opposite sign of "
        "what their names say (for the first, B cells are CD56- by definition). Is this the column "
        "of another marker?",
    ]


@pytest.mark.parametrize("cell", ["+", "pos", "-", "NEG", "\N{MINUS SIGN}"])
def test_signs_and_words_are_refused_with_the_number_to_write(tmp_path, cell):
    path = tmp_path / "table.csv"
    path.write_text(f"Populations,CD3\nT cells,{cell}\nB cells,-1\n")
    with pytest.raises(InputError) as refused:
        load_table(path)
    assert refused.value.problems == [
        "expected numbers from -1 to 1 or blanks: write 1 for + and positive, -1 for - and "
        f"negative, at row 2 (T cells), column CD3 ({cell!r})"
    ]

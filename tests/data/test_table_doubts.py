"""What a table says wrong, before any cell is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.data.table import KnowledgeTable, load_table
from scyan_exp.data.table_doubts import table_doubts, table_remarks
from scyan_exp.errors import InputError

NAN = np.nan
ROWS = {"T cells": [1, -1, -1], "B cells": [-1, 1, -1], "NK cells": [-1, -1, 1]}


def table_of(**rows: list[float]) -> KnowledgeTable:
    merged = {**ROWS, **{name.replace("_", " "): row for name, row in rows.items()}}
    return KnowledgeTable(list(merged), ["CD3", "CD19", "CD56"], np.array(list(merged.values())))


def test_nothing_is_said_of_a_good_table():
    assert table_doubts(table_of()) == table_remarks(table_of()) == []


@pytest.mark.parametrize(
    ("rows", "doubt"),
    [
        ({"pDCs": [NAN] * 3}, "nothing is known of population 'pDCs': cells of any kind will go"),
        ({"T_cells": [-1, 1, -1]}, "populations 'T cells' and 'B cells' have the same row: their"),
        ({"NKT": [-1, -1, 1]}, "populations 'NK cells' and 'NKT' have the same row"),
        (
            {"T_cells": [1, 0, 0], "B_cells": [0, 1, 0], "NK_cells": [0, 0, 1]},
            "there is no -1, and there are 0s: 0 means half-way between negative and positive.",
        ),
        (
            {"CD56+_CD3neg_cells": [1, -1, 1]},
            "population 'CD56+ CD3neg cells', marker 'CD3': the name says -1, the entry is 1. "
            "Correct one of them",
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
            {"T_cells": [1, -1, NAN], "B_cells": [-1, 1, NAN], "NK_cells": [-1, -1, NAN]},
            "marker 'CD56' is blank in every row: fill in what you know, and drop the columns of "
            "which you know nothing",
        ),
        (
            {"NKT": [NAN, -1, 1]},
            "populations 'NK cells' and 'NKT' differ only where one of them is blank: a value at "
            "CD3 would part them",
        ),
        (
            {"T_cells": [1, -1, 1], "B_cells": [-1, 1, 1], "NK_cells": [-1, -1, 1]},
            "marker 'CD56' is 1 wherever it is known: it parts no populations",
        ),
        (
            {"T_cells": [1, -1, NAN], "B_cells": [-1, 1, 1], "NK_cells": [-1, -1, 1]},
            "marker 'CD56' is 1 wherever it is known: no row says -1",
        ),
        (
            {"T_cells": [1, -1, NAN], "B_cells": [-1, 1, -0.5], "NK_cells": [-1, -1, -0.5]},
            "marker 'CD56' is -0.5 wherever it is known: no row says 1",
        ),
        (
            {"T_cells": [1, -1, NAN], "B_cells": [-1, 1, 0], "NK_cells": [-1, -1, 0]},
            "marker 'CD56' is 0 wherever it is known: no row says 1 or -1",
        ),
        (
            {"T_cells": [1, -1, 0.5], "B_cells": [-1, 1, 1], "NK_cells": [-1, -1, 1]},
            "marker 'CD56' has no -1: every population expresses it",
        ),
        (
            {"T_cells": [1, -1, -0.5], "B_cells": [-1, 1, -1], "NK_cells": [-1, -1, -1]},
            "marker 'CD56' has no 1: no population expresses it",
        ),
    ],
)
def test_each_doubtful_entry_is_shown(rows, remark):
    assert table_doubts(table_of(**rows)) == []
    assert table_remarks(table_of(**rows)) == [remark]


@pytest.mark.parametrize("number", [0, -1, 1, 0.5])
def test_a_blank_and_a_number_are_not_the_same_row(number):
    table = table_of(T_cells=[1, -1, NAN], B_cells=[1, -1, number], NK_cells=[-1, -1, 1])
    assert table_doubts(table) == []


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

"""Knowledge tables: what is read, and what is said of a wrong one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.data import KnowledgeTable, load_table
from scyan_exp.errors import InputError
from tests.conftest import MARKERS

NAN = float("nan")
HEADER = "Populations,CD3,CD4\n"

names = st.text(min_size=1, max_size=8)
values = st.one_of(st.just(NAN), st.floats(-1, 1))


@pytest.fixture
def read(tmp_path):
    """Write a table, as text or bytes, and load it."""

    def read(content: str | bytes) -> KnowledgeTable:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_table(path)

    return read


def problems_of(read, content: str | bytes) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(content)
    assert caught.value.where.endswith("table.csv")
    assert "table.csv: " in str(caught.value)
    return caught.value.problems


def test_values_names_and_levels(table_file):
    table = load_table(table_file)
    assert table.populations == ["CD4 T cells", "CD8 T cells", "B cells"]
    assert table.markers == MARKERS
    assert table.levels == {"level": ["T cells", "T cells", "B cells"]}
    expected = [[1, 1, -1, -1], [1, -1, 1, -1], [-1, NAN, -1, 1]]
    np.testing.assert_array_equal(table.rho, expected)
    assert table.rho.dtype == np.float64


@pytest.mark.parametrize("spelling", ["", " ", "NA", "na", "N/A", "NaN", "nan", "None", "null"])
def test_spellings_of_not_known(read, spelling):
    table = read(f"{HEADER}B cells,{spelling},1\n")
    np.testing.assert_array_equal(table.rho, [[NAN, 1]])


@pytest.mark.parametrize(
    ("cell", "value"), [("-1", -1), (" 1.0 ", 1), ("0", 0), ("-2.5e-1", -0.25)]
)
def test_any_number_between_is_a_value(read, cell, value):
    assert read(f"{HEADER}B cells,{cell},1\n").rho[0, 0] == value


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_spreadsheets_write(read, separator, newline, mark):
    lines = ["Populations,level,CD3,CD4,,", '"B cells",B,-1,,,', ",,,,,", "T cells,T,1,1,,", ""]
    table = read(mark + newline.join(lines).replace(",", separator).encode())
    assert table.populations == ["B cells", "T cells"]
    assert table.markers == ["CD3", "CD4"]
    assert table.levels == {"level": ["B", "T"]}
    np.testing.assert_array_equal(table.rho, [[-1, NAN], [1, 1]])


def test_several_levels(read):
    table = read("Populations,level 1,Level_fine,CD3\nB cells,Lymphoid,B,-1\nNK,Lymphoid,NK,1\n")
    assert table.levels == {"level 1": ["Lymphoid", "Lymphoid"], "Level_fine": ["B", "NK"]}
    assert table.markers == ["CD3"]


def test_names_are_stripped_of_spaces(read):
    table = read("Populations , level , CD3 \n B cells , B , 1 \n")
    assert (table.populations, table.markers) == (["B cells"], ["CD3"])
    assert table.levels == {"level": ["B"]}


@pytest.mark.parametrize("row", ["B cells,B", "B cells,B,1"])
def test_a_short_row_is_unknown_at_its_end(read, row):
    table = read(f"Populations,level,CD3,CD4\nT cells,T,1,1\n{row}\n")
    assert np.isnan(table.rho[1, 1])


@pytest.mark.parametrize(
    "text",
    [
        "Populations,level,CD3\nT cells,T,1\nB cells\n",
        "Populations,CD3,level\nT cells,1,T\nB cells,-1\n",
    ],
)
def test_a_row_that_ends_before_its_level_has_a_blank_level(read, text):
    assert read(text).levels == {"level": ["T", ""]}


def test_real_tables_are_read(real_data):
    shapes = {"aml": (14, 14), "himc": (23, 20), "mouse_spleen": (6, 8)}
    for name, shape in shapes.items():
        assert load_table(real_data / name / "table.csv").rho.shape == shape


WRONG = {
    "text": (
        f"{HEADER}T cells,1,1\nB cells,-1,high\n",
        ["row 3 (B cells), column CD4: expected a number from -1 to 1 or blank, found 'high'"],
    ),
    "decimal comma": (
        "Populations;CD3\nB cells;0,5\n",
        ["row 2 (B cells), column CD3: expected a number from -1 to 1 or blank, found '0,5'"],
    ),
    "too large": (
        f"{HEADER}B cells,-1,2\n",
        ["row 2 (B cells), column CD4: expected a number from -1 to 1 or blank, found 2"],
    ),
    "infinite": (
        f"{HEADER}B cells,-inf,1\n",
        ["row 2 (B cells), column CD3: expected a number from -1 to 1 or blank, found -inf"],
    ),
    "populations twice": (
        f"{HEADER}B cells,-1,\nT cells,1,1\nB cells,1,\n",
        ["population 'B cells' is in rows 2, 4: keep one of them"],
    ),
    "markers twice": (
        "Populations,CD3,CD4,CD3\nB cells,-1,-1,-1\n",
        ["marker 'CD3' is in 2 columns: keep one of them"],
    ),
    "empty": (b"", ["the file is empty (expected a header and one row per population)"]),
    "blank": ("\n  \n", ["the file is empty (expected a header and one row per population)"]),
    "header only": (HEADER, ["no populations: expected one row per population below the header"]),
    "no markers": (
        "Populations,level\nB cells,B\n",
        ["no markers: expected one column per marker after the population names"],
    ),
    "all NA": (
        f"{HEADER}B cells,NA,\n",
        ["every value is NA: at least some markers must be known (-1 or 1)"],
    ),
    "binary": (b"\x89HDF\r\n\x1a\n\xff\xfe", ["not a text file (expected a CSV in UTF-8)"]),
    "Excel": (
        b"PK\x03\x04\x14\xff",
        ["is an Excel workbook (or another zip archive): save it as CSV in UTF-8"],
    ),
    "older Excel": (
        b"\xd0\xcf\x11\xe0\xa1\xb1",
        ["is an Excel workbook of an older version: save it as CSV in UTF-8"],
    ),
    "UTF-16": (HEADER.encode("utf-16"), ["is text in UTF-16: save it as CSV in UTF-8"]),
    "Latin-1": (
        f"{HEADER}B cells,-1,1\nZ\u00ebllen,1,-1\n".encode("latin-1"),
        [
            "line 3 has a character that is not in UTF-8 ('\u00eb' of Windows?): save it as CSV in "
            "UTF-8"
        ],
    ),
    "comments": (
        f"# made by hand; twice\n{HEADER}# B cells first\nB cells,-1,1\n",
        ["comments are not read: delete what begins with # in lines 1, 3"],
    ),
    "signs": (
        f"{HEADER}B cells,-,+\nT cells,Pos,neg\nNK,-1,+\n",
        [
            "expected numbers from -1 to 1 or blanks: write 1 for + and positive, -1 for - and "
            "negative, at row 2 (B cells), column CD3 ('-'), row 2 (B cells), column CD4 ('+'), "
            "row 3 (T cells), column CD3 ('Pos'), ... (5 in all)"
        ],
    ),
    "too many cells": (f"{HEADER}B cells,-1,1,1\n", ["row 2 has 4 cells, the header 3"]),
    "no population": (f"{HEADER}  ,-1,1\n", ["row 2 has no population name"]),
    "no marker": ("Populations,CD3,\nB cells,-1,1\n", ["column 3 has values but no marker name"]),
    "rows counted as in the file": (
        f"{HEADER}\n\nB cells,-1,x\n",
        ["row 4 (B cells), column CD4: expected a number from -1 to 1 or blank, found 'x'"],
    ),
    "all at once": (
        "Populations,CD3,CD3\nB cells,x,5\n,1,1\n",
        [
            "marker 'CD3' is in 2 columns: keep one of them",
            "row 3 has no population name",
            "row 2 (B cells), column CD3: expected a number from -1 to 1 or blank, found 'x'",
            "row 2 (B cells), column CD3: expected a number from -1 to 1 or blank, found 5",
        ],
    ),
}


@pytest.mark.parametrize(("content", "expected"), WRONG.values(), ids=WRONG.keys())
def test_every_problem_of_a_table_is_named(read, content, expected):
    assert problems_of(read, content) == expected


@pytest.mark.parametrize("name", ["#1", "# B cells"])
def test_a_name_may_begin_as_a_comment(read, name):
    assert read(f"{HEADER}{name},-1,1\n").populations == [name]


def test_a_missing_file_says_which_setting_to_change(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file\. Set table\.path to a know"):
        load_table(tmp_path / "none.csv")


def test_levels_that_stand_twice_are_refused(read):
    (problem,) = problems_of(read, "Populations,level,level,CD3\nB cells,Lymphoid,B,1\n")
    assert "'level'" in problem


def test_an_endless_quote_is_refused(read):
    (problem,) = problems_of(read, HEADER + '"' + "a" * 200_000)
    assert "is a quote not closed?" in problem


@st.composite
def tables(draw) -> KnowledgeTable:
    n_pops, n_markers = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    unique = {"unique": True}
    populations = draw(st.lists(names, min_size=n_pops, max_size=n_pops, **unique))
    markers = draw(st.lists(names, min_size=n_markers, max_size=n_markers, **unique))
    cells = st.lists(values, min_size=n_markers, max_size=n_markers)
    rho = np.array(draw(st.lists(cells, min_size=n_pops, max_size=n_pops)))
    level = st.lists(names, min_size=n_pops, max_size=n_pops)
    return KnowledgeTable(populations, markers, rho, draw(st.dictionaries(names, level)))


@settings(deadline=None, max_examples=50)
@given(table=tables())
def test_from_dict_undoes_to_dict(table):
    again = KnowledgeTable.from_dict(table.to_dict())
    assert (again.populations, again.markers) == (table.populations, table.markers)
    assert again.levels == table.levels
    np.testing.assert_array_equal(again.rho, table.rho)


@settings(deadline=None, max_examples=50)
@given(table=tables())
def test_to_dict_holds_plain_values_only(table):
    plain = table.to_dict()
    assert {type(value) for row in plain["rho"] for value in row} <= {float, type(None)}
    assert [type(plain[key]) for key in ("populations", "markers", "rho", "levels")] == [
        list,
        list,
        list,
        dict,
    ]


EDITED = KnowledgeTable(
    ["T cells", "B cells"],
    ["CD3", "CD19"],
    np.array([[1.0, -1.0], [-1.0, np.nan]]),
    {"level": ["T", "B"]},
)


def test_entries_are_changed_and_rows_left_out():
    table = EDITED.edited({"T cells": {"CD19": None}, "B cells": {"CD19": 1, "CD3": 0.5}})
    np.testing.assert_array_equal(table.rho, [[1, np.nan], [0.5, 1]])
    assert np.isnan(EDITED.rho[1, 1])
    left = table.edited({}, ["T cells"])
    assert (left.populations, left.levels) == (["B cells"], {"level": ["B"]})
    np.testing.assert_array_equal(left.rho, [[0.5, 1]])


def test_changes_of_what_the_table_does_not_have_are_refused_all_at_once():
    with pytest.raises(InputError) as refused:
        EDITED.edited({"T cell": {"CD3": 1}, "B cells": {"CD91": 1}}, ["NK", "T cells", "B cells"])
    assert refused.value.problems == [
        "table.set: 'T cell' is no population of the table. Did you mean 'T cells'?",
        "table.drop: 'NK' is no population of the table.",
        "table.set: 'CD91' of 'B cells' is no marker of the table. Did you mean 'CD19'?",
        "table.drop: no population is left",
    ]


@given(tables())
def test_without_changes_a_table_stays(table):
    assert table.edited({}).to_dict() == table.to_dict()

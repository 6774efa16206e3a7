"""What cells say against a table: each mistake is planted, and named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.data.cells_doubts import cells_doubts, cells_remarks, find_modes, unused_markers
from scyan_exp.data.table import KnowledgeTable

NAN = np.nan
TABLE = KnowledgeTable(
    ["T cells", "B cells", "NK cells", "monocytes"],
    ["CD3", "CD19", "CD56", "CD14"],
    np.array([[1, -1, -1, -1], [-1, 1, -1, -1], [-1, -1, 1, -1], [-1, -1, NAN, 1.0]]),
)


def draw(table: KnowledgeTable = TABLE, n_cells: int = 8000, std: float = 0.25) -> np.ndarray:
    """Cells of each row of a table in equal shares."""
    rng = np.random.default_rng(0)
    rows = np.nan_to_num(table.rho, nan=-1.0)[np.arange(n_cells) % len(table.rho)]
    return rows + rng.normal(0, std, rows.shape)


def edited(population: str, marker: str, value: float) -> KnowledgeTable:
    rho = TABLE.rho.copy()
    rho[TABLE.populations.index(population), TABLE.markers.index(marker)] = value
    return replace(TABLE, rho=rho)


def test_nothing_is_said_of_cells_that_follow_the_table():
    assert cells_doubts(TABLE, draw(), TABLE.populations) == []
    assert cells_remarks(TABLE, draw()) == []


@pytest.mark.parametrize(
    ("population", "marker", "value"),
    [("T cells", "CD3", -1), ("T cells", "CD19", 1), ("NK cells", "CD14", 1)],
)
def test_a_wrong_sign_is_named_with_its_row_and_marker(population, marker, value):
    (said,) = [
        one
        for one in cells_doubts(edited(population, marker, value), draw())
        if repr(population) in one
    ]
    assert said.startswith(f"population {population!r}: hardly any cell matches its row (0.0")
    named, _, share = said.partition("; without its entry at ")[2].partition(", ")
    assert repr(marker) in named.split(" or ")
    assert share in ("25.00% would", "25.01% would")


def test_a_marker_that_parts_no_cells_is_named():
    x = draw()
    x[:, 3] = np.random.default_rng(1).normal(0, 1, len(x))
    assert cells_remarks(TABLE, x) == [
        "no gap parts the cells that have these markers from those that have not: CD14"
    ]


def test_cells_between_the_modes_are_told():
    x, rng = draw(), np.random.default_rng(1)
    between = rng.random(len(x)) < 0.7
    x[:, 2] = np.where(between, rng.uniform(-0.3, 0.3, len(x)), 3 * x[:, 2])
    assert (
        "marker 'CD56': most cells lie between a negative and a positive group; blank may be more "
        "honest than 1 or -1"
    ) in cells_remarks(TABLE, x)


def test_cells_that_match_no_row_are_counted():
    both = np.array([[1.0, 1, 1, 1]]) + np.random.default_rng(0).normal(0, 0.3, (12_000, 4))
    (said,) = cells_doubts(TABLE, np.concatenate([draw(), both]))
    assert said.startswith("6")
    assert "% of the cells match no row: is the transform right" in said


@pytest.mark.parametrize("label", ["t cells", "T  Cells", "Tcells"])
def test_a_label_that_is_a_row_but_for_case_or_blanks_is_named(label):
    assert cells_doubts(TABLE, draw(), [*TABLE.populations, label, "others"]) == [
        f"label {label!r} is the row 'T cells' but for case or blanks: cells with it are not scored"
    ]


def test_markers_that_the_table_leaves_out_are_named_if_they_part_cells():
    x, rng = draw(), np.random.default_rng(1)
    names = ["CD4", "CD45", "empty"]
    columns = np.stack([x[:, 0], rng.normal(size=len(x)), np.zeros(len(x))], axis=1)
    assert unused_markers(names, columns) == [
        "markers with two clear modes are not in the table: CD4"
    ]
    assert unused_markers([], x[:, :0]) == []


@settings(max_examples=30)
@given(st.floats(0.1, 100), st.floats(-50, 50), st.floats(0.02, 0.98), st.integers(0, 100))
def test_the_scale_of_a_marker_makes_no_difference(scale, shift, share, seed):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(4000) < share, 1, -1) + rng.normal(0, 0.2, 4000)
    modes, scaled = find_modes(x), find_modes(scale * x + shift)
    assert modes is not None
    assert scaled is not None
    assert abs(modes.threshold) < 0.6
    assert scaled.threshold == pytest.approx(scale * modes.threshold + shift, abs=0.1 * scale)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("draw_one", ["normal", "exponential", "uniform"])
def test_one_mode_is_not_taken_for_two(draw_one, seed):
    x = getattr(np.random.default_rng(seed), draw_one)(size=20_000)
    assert find_modes(x) is None


def test_of_few_cells_nothing_is_said_of_rows():
    assert cells_doubts(edited("T cells", "CD3", -1), draw(n_cells=300)) == []

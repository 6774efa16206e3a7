"""The mistakes of docs/table.md: what the page quotes is what ``scyan-exp check`` says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import mistakes
from benchmarks.mistakes import MISTAKES, TABLE
from scyan_exp.data.table import load_table
from scyan_exp.data.table_doubts import table_doubts, table_remarks

PAGE = (Path(__file__).parents[1] / "docs" / "table.md").read_text(encoding="utf-8")
#: What ``check`` says of cells, not of a table alone.
OF_CELLS = ("hardly any cell matches", "two clear modes")


def quoted() -> list[str]:
    """The lines of ``check`` on the page, without what is left out at their ends."""
    joined = re.sub(r"\n {8}", " ", PAGE)  # a line that goes on in the next one
    lines = re.findall(r"^((?:wrong\?|look:) .*)$", joined, re.MULTILINE)
    return [line.removesuffix("...").rstrip() for line in lines]


def is_said(line: str, said: list[str]) -> bool:
    return any(each.startswith(line) for each in said)


def test_the_table_of_the_page_is_the_file_to_copy():
    assert f"```text\n{TABLE.read_text(encoding='utf-8')}```" in PAGE


def test_nothing_is_doubtful_about_the_table_of_the_page():
    table = load_table(TABLE)
    assert not table_doubts(table)
    assert not table_remarks(table)


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != "none"])
def test_a_mistake_changes_the_table_and_is_on_the_page(mistake):
    right, wrong = load_table(TABLE), MISTAKES[mistake](load_table(TABLE))
    assert wrong.rho.shape != right.rho.shape or not np.array_equal(
        wrong.rho, right.rho, equal_nan=True
    )
    assert f"| {mistake} | " in PAGE
    assert f"### {mistake[0].upper()}{mistake[1:]}\n" in PAGE


def test_what_the_page_quotes_of_tables_is_what_check_says(tmp_path):
    said = []
    for plant in MISTAKES.values():
        mistakes.write_table(plant(load_table(TABLE)), tmp_path / "table.csv")
        said += mistakes.checked(tmp_path / "table.csv")
    of_tables = [line for line in quoted() if not any(words in line for words in OF_CELLS)]
    assert len(of_tables) >= 9
    assert [line for line in of_tables if not is_said(line, said)] == []


@pytest.mark.slow
def test_what_the_page_quotes_of_cells_is_what_check_says(tmp_path, real_data):
    mistakes.gated_cells(real_data / "himc" / "himc.h5ad").write_h5ad(tmp_path / "cells.h5ad")
    said = []
    for name in ("none", "-1 in place of blanks"):
        mistakes.write_table(MISTAKES[name](load_table(TABLE)), tmp_path / "table.csv")
        said += mistakes.checked(tmp_path / "table.csv", tmp_path / "cells.h5ad")
    of_cells = [line for line in quoted() if any(words in line for words in OF_CELLS)]
    assert len(of_cells) == 2
    assert [line for line in of_cells if not is_said(line, said)] == []


def test_the_numbers_of_the_page_are_the_measured_ones():
    readme = (Path(mistakes.__file__).parent / "README.md").read_text(encoding="utf-8")
    for mistake in MISTAKES:
        numbers = re.search(rf"^\| {re.escape(mistake)} \| (.*?\) \| [\d.]+) \|", readme, re.M)
        assert numbers is not None
        assert f"| {mistake} | {numbers[1]} |" in PAGE

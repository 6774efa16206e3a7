"""Rows of a study in a CSV file: one that was cut off goes on there."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows so far; none without a file."""
    if path.exists():
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def append_row(path: Path, row: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Add a row, and the names of the columns above the first."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if is_new:
            writer.writeheader()
        writer.writerow(row)

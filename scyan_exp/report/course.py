"""The course of a training, from the files that it writes as it goes on."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.report.numbers import all_rounded, thinned
from scyan_exp.run.folder import RunFolder

#: Points of a loss curve.
MOST_POINTS = 200


def read_curve(folder: Path) -> dict[str, list[Any]]:
    """``epoch``, ``loss`` and ``agreement`` (with the table) of a training, a value an epoch.

    The loss of epochs at a temperature is another quantity, so they are left out where there
    are others.
    """
    rows = [row for row in _rows(RunFolder(folder).metrics) if row.get("loss")]
    plain = [row for row in rows if not _number(row.get("use_temperature")) > 0]
    kept = plain or rows
    some = [kept[i] for i in thinned(len(kept), MOST_POINTS)]
    return {
        "epoch": [int(_number(row["epoch"])) for row in some],
        "loss": all_rounded((_number(row["loss"]) for row in some), 5),
        "agreement": all_rounded(_number(row.get("table_agreement")) for row in some),
    }


def read_weights(folder: Path, populations: Sequence[str], most: int) -> dict[str, list[Any]]:
    """``epoch``, and ``of``: for each population its weight in each of these epochs, 0 to 1."""
    rows = list(_rows(RunFolder(folder).population_weights))
    some = [rows[i] for i in thinned(len(rows), most)]
    return {
        "epoch": [int(_number(row["epoch"])) for row in some],
        "of": [all_rounded(_number(row.get(name)) for row in some) for name in populations],
    }


def weighed_populations(folder: Path) -> list[str]:
    """The populations of ``population_weights.csv``; none if there is no such file."""
    try:
        with RunFolder(folder).population_weights.open(encoding="utf-8", newline="") as file:
            return next(csv.reader(file), ["epoch"])[1:]
    except (OSError, ValueError, csv.Error):  # cut within a letter, while it is written
        return []


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    """The rows of a file that a training may be writing; none if it has written none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if math.isfinite(_number(row.get("epoch"))):
                    yield row
    except (OSError, ValueError, csv.Error):
        return


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:  # the last line, half written
        return math.nan

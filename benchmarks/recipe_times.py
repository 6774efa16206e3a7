"""Seconds of training by the default recipe and by the reference's, in turn, in one process.

Seconds of the processor, which other work on the machine changes least; of two trainings with
the same seed the faster counts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.real import data_folder
from benchmarks.recipes import cases, train_once

Row = dict[str, Any]
COMPARED = {"reference": "reference", "default": "steps, identity, guard"}


def measure_recipe_times(n_seeds: int) -> list[Row]:
    """A row a data set: mean seconds and epochs of each recipe."""
    import torch

    data = data_folder()
    if data is None:
        return []
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = cases(data, Path(folder))
        return [_row(name, overrides, n_seeds) for name, overrides in found.items()]


def _row(name: str, overrides: list[str], n_seeds: int) -> Row:
    train_once((name, overrides, COMPARED["default"], 0))  # reads the cells, compiles
    row: Row = {"data": name}
    for key, runs in _in_turn(name, overrides, n_seeds).items():
        row |= {f"{key}, s": round(mean(float(one["seconds"]) for one in runs), 2)}
        row |= {f"{key}, epochs": round(mean(one["epochs"] for one in runs), 1)}
    print(*(f"{key}={value}" for key, value in row.items()), flush=True)
    return row


def _in_turn(name: str, overrides: list[str], n_seeds: int) -> dict[str, list[Row]]:
    runs: dict[str, list[Row]] = {key: [] for key in COMPARED}
    for seed in range(n_seeds):
        for key, recipe in COMPARED.items():
            twice = [train_once((name, overrides, recipe, seed)) for _ in range(2)]
            runs[key].append(min(twice, key=lambda one: one["seconds"]))
    return runs


def markdown(rows: list[Row]) -> str:
    """The rows, and their sum."""
    lines = ["| data | reference, s | epochs | default, s | epochs |", "|" + " --- |" * 5]
    for row in rows:
        lines.append("| " + " | ".join(str(value) for value in row.values()) + " |")
    sums = [sum(row[f"{key}, s"] for row in rows) for key in COMPARED]
    lines.append(f"| all | **{sums[0]:.2f}** | | **{sums[1]:.2f}** | |")
    return "\n".join(lines)

"""Whether the blanks that ``search=table_entries`` calls worth filling make annotations better.

Every blank of a table is filled with -1 and with 1, one at a time, by the sweep itself. The labels
then say what each filling did to the accuracy.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks import verdict
from benchmarks.real import data_folder

if TYPE_CHECKING:
    from scyan_exp.entries.effects import Effect

Row = dict[str, Any]

#: Change of the accuracy from which on a filling counts as better or worse.
FAR = 0.005
#: What was called worth filling before: any such rise of the agreement.
RISE_BEFORE = 0.002


def measure_fillings(out: Path, n_seeds: int, wanted: str = "") -> list[Row]:
    """A row a data set and seed.

    Args:
        out: where the sweeps are kept; one that has ended is not run again.
        n_seeds: trainings of each filling.
        wanted: names of data sets, by semicolons; empty for all.
    """
    data = data_folder()
    if data is None:
        return []
    found = verdict.cases(data, out / "fillings" / "cells")
    chosen = {k: v for k, v in found.items() if not wanted or k in wanted.split(";")}
    return [
        {"data": name, "seed": seed, **_of_sweep(case.overrides, seed, out / "fillings" / name)}
        for name, case in chosen.items()
        for seed in range(n_seeds)
    ]


def _of_sweep(overrides: list[str], seed: int, folder: Path) -> Row:
    from scyan_exp.entries.effects import read_effects
    from scyan_exp.entries.fillings import worth_filling
    from scyan_exp.entries.listing import read_edits

    folder = folder.with_name(f"{folder.name} {seed}".replace(" ", "_"))
    if not (folder / "table_entries.csv").exists():
        options = ["hydra.sweeper.kinds=[fill]", f"seed={seed}", f"hydra.sweep.dir={folder}"]
        options += ["logger=none", "figures.draw=none"]
        command = [sys.executable, "-m", "scyan_exp", "train", "search=table_entries"]
        subprocess.run([*command, *overrides, *options], check=True)
    _, effects = read_effects(folder, read_edits(folder))
    before = [one for one in effects if one.agreement >= RISE_BEFORE]
    return {
        "fillings": len(effects),
        **_counts("any rise", before),
        **_counts("named", worth_filling(effects)),
    }


def _counts(what: str, effects: Sequence[Effect]) -> Row:
    changes = np.array([one.accuracy for one in effects])
    return {
        what: len(changes),
        f"{what}, better": int((changes >= FAR).sum()),
        f"{what}, worse": int((changes <= -FAR).sum()),
        f"{what}, points": round(100 * float(changes.mean()), 2) if len(changes) else None,
    }


def markdown(rows: list[Row]) -> str:
    """A line a data set, and one for all of them."""
    frame = pd.DataFrame(rows)
    lines = [
        "| data | seeds | fillings | agreement rises by 0.002 | better | worse "
        "| worth filling | better | worse | points of accuracy |",
        "|" + " --- |" * 10,
    ]
    lines += [_line(str(name), some) for name, some in frame.groupby("data", sort=False)]
    return "\n".join([*lines, _line("all", frame)])


def _line(name: str, some: pd.DataFrame) -> str:
    seeds = some["seed"].nunique()
    kinds = ("any rise", "named")
    counts = [some[f"{kind}{what}"].sum() for kind in kinds for what in ("", ", better", ", worse")]
    total = (some["named, points"] * some["named"]).sum()
    points = f"{total / some['named'].sum():+.1f}" if some["named"].sum() else ""
    cells = [name, seeds, some["fillings"].sum(), *counts, points]
    return f"| {' | '.join(str(one) for one in cells)} |"

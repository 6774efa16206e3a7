"""Whether ``search=table_entries`` finds entries of a table that were flipped on purpose.

Of HIMC Plate3, some of the cells. Three known entries of populations with more than 200 labelled
cells on the plate get the other sign, drawn by a seed, and every known entry is then made blank in
turn (a blank that is filled cannot be among the entries that contradict the cells). A sweep that
was cut off goes on in ``--out``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from benchmarks.real import data_folder
from scyan_exp.data.table import KnowledgeTable, load_table

#: Labelled cells of a population whose entries are flipped: more than these.
FEWEST = 200
EVERY, N_FLIPS = 8, 3


def measure_flips(out: Path, n_draws: int) -> list[dict[str, Any]]:
    """A row a flipped entry, of each draw."""
    data = data_folder()
    if data is None:
        return []
    folder = out / "flips"
    folder.mkdir(parents=True, exist_ok=True)
    cells = anndata.read_h5ad(data / "himc" / "himc.h5ad")
    cells = cells[cells.obs["batch"] == "Plate3"].copy()
    counts = cells.obs["cell_type"].value_counts()
    cells[::EVERY].copy().write_h5ad(folder / "cells.h5ad")
    table = load_table(data / "himc" / "table.csv")
    many = [name for name in table.populations if counts.get(name, 0) > FEWEST]
    rows = []
    for draw in range(n_draws):
        rows += _of_draw(draw, table, many, folder)
    return rows


def _of_draw(
    draw: int, table: KnowledgeTable, many: list[str], folder: Path
) -> list[dict[str, Any]]:
    flipped = flips(draw, table, many)
    rho = table.rho.copy()
    for p, m in flipped:
        rho[p, m] *= -1
    path, sweep = folder / f"table_{draw}.csv", folder / f"sweep_{draw}"
    pd.DataFrame(rho, index=table.populations, columns=table.markers).to_csv(path)
    _sweep(path, folder, sweep)
    found = pd.read_csv(sweep / "table_entries.csv")
    named = found[(found["opposite_side"] > 0.5) & (found["loss"] < 0)]
    named = named.sort_values("opposite_side", ascending=False).reset_index(drop=True)
    rows = []
    for p, m in flipped:
        of_entry = {"population": table.populations[p], "marker": table.markers[m]}
        measured = found.loc[_is(found, of_entry)].iloc[0]
        places = named.index[_is(named, of_entry)]
        rows.append(
            {
                **{"draw": draw, **of_entry, "flipped to": f"{rho[p, m]:+g}"},
                "place": int(places[0]) + 1 if len(places) else None,
                **{name: float(measured[name]) for name in ("opposite_side", "loss", "changed")},
                **{"named": len(named), "entries": len(found)},
            }
        )
    return rows


def flips(draw: int, table: KnowledgeTable, many: list[str]) -> list[tuple[int, int]]:
    """Rows and columns of the entries that are flipped."""
    of_many = np.isin(table.populations, many)[:, None]
    known = np.argwhere((np.nan_to_num(table.rho) != 0) & of_many)
    chosen = known[np.random.default_rng(draw).choice(len(known), N_FLIPS, replace=False)]
    return [(int(p), int(m)) for p, m in chosen]


def _is(rows: pd.DataFrame, entry: dict[str, str]) -> pd.Series:
    return (rows["population"] == entry["population"]) & (rows["marker"] == entry["marker"])


def _sweep(table: Path, folder: Path, sweep: Path) -> None:
    """Run the sweep, or go on with it."""
    command = ["train", "search=table_entries", "hydra.sweeper.kinds=[blank]", "dataset=h5ad"]
    command += [f"dataset.path={folder / 'cells.h5ad'}", "dataset.label_key=cell_type"]
    command += [f"table.path={table}", "logger=none", f"hydra.sweep.dir={sweep}"]
    command += ["hydra.launcher.jobs_per_device=1", "hydra.launcher.threads_per_job=1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "scyan_exp", *command], check=True, env=environment)


def markdown(rows: list[dict[str, Any]]) -> str:
    """The flipped entries, and where the sweep ranks them."""
    heads = ("draw", "flipped entry", "place", "cells on the other side", "loss without it")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        entry = f"{row['population']}, {row['marker']}: {row['flipped to']}"
        place = "not named" if row["place"] is None else f"{row['place']} of {row['named']}"
        values = f"{row['opposite_side']:.0%} | {row['loss']:+.2f}"
        lines.append(f"| {row['draw']} | {entry} | {place} | {values} |")
    return "\n".join(lines)

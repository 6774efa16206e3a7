"""What common mistakes in a knowledge table cost, and what ``scyan-exp check`` says of them.

The table is the one that ``docs/table.md`` explains. The cells are every third one of HIMC Plate3,
whose 28 gates are made the 11 rows of the table. All gated cells are scored, also those whose row
a mistake takes away.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import anndata
import numpy as np
import pandas as pd

from benchmarks.real import data_folder
from scyan_exp.data.table import KnowledgeTable, load_table

Plant = Callable[[KnowledgeTable], KnowledgeTable]

TABLE = Path(__file__).parents[1] / "docs" / "tables" / "pbmc.csv"
EVERY = 3
#: How the gates of a row begin; gates of no row are not scored.
GATES = {
    "CD4 T cells": ("CD4-", "CD4pos_Treg"),
    "CD8 T cells": ("CD8-",),
    "Other T cells": ("T cells_TCRgd", "CD4CD8dblneg"),
    "B cells": ("B-",),
    "CD56bright NK cells": ("CD56brightNK",),
    "CD56dim NK cells": ("Non-B cells_NK",),
    "Classical monocytes": ("Monocytes-CD16negCD14pos",),
    "CD16+ monocytes": ("Monocytes-CD16posCD14",),
    "Myeloid DCs": ("mDCs",),
    "Plasmacytoid DCs": ("pDCs",),
    "Basophils": ("Basophil",),
}
#: Markers of a panel that is too small.
FEW = ("CD3", "CD4", "CD8a", "CD19")
BRIGHT, DIM, MONOCYTES = "CD56bright NK cells", "CD56dim NK cells", "Classical monocytes"


def _edit(
    changes: dict[str, dict[str, float | None]],
) -> Callable[[KnowledgeTable], KnowledgeTable]:
    return lambda table: table.edited(changes)


def _zeros(table: KnowledgeTable) -> KnowledgeTable:
    return replace(table, rho=np.where(table.rho < 0, 0, table.rho))


def _no_blanks(table: KnowledgeTable) -> KnowledgeTable:
    return replace(table, rho=np.nan_to_num(table.rho, nan=-1.0))


def _few_markers(table: KnowledgeTable) -> KnowledgeTable:
    columns = [table.markers.index(name) for name in FEW]
    return replace(table, markers=list(FEW), rho=table.rho[:, columns])


def _blank_marker(table: KnowledgeTable) -> KnowledgeTable:
    blank = np.full((len(table.populations), 1), np.nan)
    return replace(table, markers=[*table.markers, "CD38"], rho=np.hstack([table.rho, blank]))


MISTAKES: dict[str, Plant] = {
    "none": lambda table: table,
    "0 in place of -1": _zeros,
    "-1 in place of blanks": _no_blanks,
    "two equal rows": _edit({BRIGHT: {"CD16": None, "HLADR": -1}, DIM: {"CD16": None}}),
    "two rows that differ only by blanks": _edit({BRIGHT: {"CD16": None}}),
    "too few markers": _few_markers,
    "a marker in no row": _blank_marker,
    "a wrong sign": _edit({DIM: {"CD3": 1}}),
    "a missing population": lambda table: table.edited({}, [MONOCYTES]),
}


def measure_mistakes(seeds: int = 3) -> list[dict[str, Any]]:
    """A row a mistake and seed; nothing where the data are not."""
    data = data_folder()
    if data is None:
        return []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cells, path = Path(folder) / "cells.h5ad", Path(folder) / "table.csv"
        gated_cells(data / "himc" / "himc.h5ad").write_h5ad(cells)
        for mistake, plant in MISTAKES.items():
            write_table(plant(load_table(TABLE)), path)
            said = checked(path, cells)
            for seed in range(seeds):
                row = _trained(path, cells, seed)
                print(mistake, row, flush=True)
                rows.append({"mistake": mistake, "seed": seed, "check": said, **row})
    return rows


def gated_cells(path: Path) -> anndata.AnnData:
    """Cells with their row as ``cell_type``, missing where their gate has none."""
    cells = anndata.read_h5ad(path)
    cells = cells[cells.obs["batch"] == "Plate3"][::EVERY].copy()
    row_of = {
        gate: row
        for gate in cells.obs["cell_type"].cat.categories
        for row, gates in GATES.items()
        if gate.startswith(gates)
    }
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(object).map(row_of).astype("category")
    return cells


def write_table(table: KnowledgeTable, path: Path) -> None:
    """A table as a CSV, without its levels."""
    pd.DataFrame(table.rho, index=table.populations, columns=table.markers).to_csv(path)


def checked(table: Path, cells: Path | None = None) -> list[str]:
    """The lines of ``scyan-exp check`` that name something."""
    from scyan_exp.cli.check import check

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = check([str(path) for path in (table, cells) if path is not None])
    assert code == 0, shown.getvalue()
    return [line for line in shown.getvalue().splitlines() if line.startswith(("wrong?", "look:"))]


def _trained(table: Path, cells: Path, seed: int) -> dict[str, Any]:
    """Accuracy and macro F1 over the gated cells, and the verdict, of a run by default."""
    import scyan_exp
    from scyan_exp.metrics.supervised import accuracy, f1_macro

    overrides = ["dataset=h5ad", f"dataset.path={cells}", f"table.path={table}", f"seed={seed}"]
    plain = ["logger=none", "figures.draw=none", "predict.log_prob_th=-1e9"]  # every cell
    with tempfile.TemporaryDirectory() as folder:
        run = scyan_exp.run([*overrides, *plain], folder=folder)
        obs, verdict = run.cells.obs, run.record.verdict
    gated = obs[obs["cell_type"].notna()]
    true = gated["cell_type"].astype(str).to_numpy()
    found = gated["scyan_pop"].astype(str).to_numpy()
    return {
        "accuracy": accuracy(true, found),
        "f1_macro": f1_macro(true, found),
        "verdict": verdict,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """A line a mistake; of what ``check`` says, how many lines it has."""
    heads = "| mistake | accuracy | macro F1 | verdicts | `check`: lines with wrong? | with look: |"
    lines = [heads, "| --- |" + " --- |" * 5]
    for mistake in dict.fromkeys(row["mistake"] for row in rows):
        same = [row for row in rows if row["mistake"] == mistake]
        scores = [row["accuracy"] for row in same]
        verdicts = ", ".join(
            f"{n} x {verdict}" for verdict, n in Counter(row["verdict"] for row in same).items()
        )
        numbers = f"{mean(scores):.3f} ({pstdev(scores):.3f})"
        f1 = f"{mean(row['f1_macro'] for row in same):.3f}"
        wrong = sum(line.startswith("wrong?") for line in same[0]["check"])
        said = f"{wrong} | {len(same[0]['check']) - wrong}"
        lines.append(f"| {mistake} | {numbers} | {f1} | {verdicts} | {said} |")
    return "\n".join(lines)

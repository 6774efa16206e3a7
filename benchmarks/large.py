"""Ten million cells through the command that users type: peak memory and seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CHUNK, Case

LARGE = Case(10_000_000, 40, 40)


def measure_large(case: Case = LARGE) -> list[dict[str, Any]]:
    """One epoch and the annotation, with the default ``max_samples`` and with all cells."""
    with tempfile.TemporaryDirectory() as folder:
        cells, table = _write(case, Path(folder))
        return [
            _train(cells, table, Path(folder) / name, case, max_samples)
            for name, max_samples in (("some", "200000"), ("all", "null"))
        ]


def _write(case: Case, folder: Path) -> tuple[Path, Path]:
    """An ``.h5ad`` file and a table."""
    import h5py
    import pandas as pd
    from anndata.io import write_elem

    x, rho = case.draw()
    markers = [f"m{i}" for i in range(case.n_markers)]
    path = folder / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        data = file.create_dataset("X", x.shape, np.float32)
        data.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start in range(0, case.n_cells, CHUNK):
            data[start : start + CHUNK] = x[start : start + CHUNK]
        write_elem(file, "obs", pd.DataFrame(index=pd.RangeIndex(case.n_cells).astype(str)))
        write_elem(file, "var", pd.DataFrame(index=markers))
    frame = pd.DataFrame(rho, index=[f"pop{i}" for i in range(case.n_pops)], columns=markers)
    frame.to_csv(folder / "table.csv")
    return path, folder / "table.csv"


def _train(cells: Path, table: Path, folder: Path, case: Case, max_samples: str) -> dict[str, Any]:
    overrides = [
        "dataset=h5ad",
        f"dataset.path={cells}",
        f"table.path={table}",
        f"model.max_samples={max_samples}",
        "trainer.max_epochs=1",
        f"hydra.run.dir={folder}",
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "scyan_exp", "train", *overrides],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"the run failed; see {folder}")
    unit = 2**30 if sys.platform == "darwin" else 2**20
    result = json.loads((folder / "result.json").read_text())
    return {
        "case": str(case),
        "max_samples": max_samples,
        "seconds": time.perf_counter() - started,
        "fit_seconds": result["fit_seconds"],
        "peak_gib": usage.ru_maxrss / unit,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| cells x markers x populations | model.max_samples | seconds in all "
        "| of which training, one epoch | peak memory, GiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['case']} | {row['max_samples']} | {row['seconds']:.0f} "
        f"| {row['fit_seconds']:.1f} | {row['peak_gib']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)

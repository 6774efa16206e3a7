"""Fifty million cells through ``scyan-exp annotate``: memory, and where the time goes.

Each of the three is also measured alone, in a process of its own: reading all blocks; annotating
one block over and over; writing one result over and over, until it is on disk. What overlaps
cannot be faster than the slowest of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CHUNK, Case
from scyan_exp.run.annotating.annotator import Annotator

LARGE = Case(50_000_000, 8, 8)
#: Cells of which the model knows how the markers are distributed.
N_TRAINING = 20_000
#: What is measured, in this order.
PARTS = ("reading", "computing", "writing", "all")


def measure_annotate(n_cells: int = LARGE.n_cells) -> list[dict[str, Any]]:
    """Generate cells, and annotate them; needs 400 bytes of disk a cell."""
    case = Case(n_cells, LARGE.n_markers, LARGE.n_pops)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cells(case, folder / "cells.h5ad")
        write_model(case, folder / "model.ckpt")
        return [{"case": str(case), "cells": n_cells} | _measured(folder, part) for part in PARTS]


def write_cells(case: Case, path: Path) -> None:
    """An ``.h5ad`` file as anndata writes it, never whole in memory."""
    import h5py
    import pandas as pd
    from anndata.io import write_elem

    modes = np.nan_to_num(_rho(case)).astype(np.float32)
    rng = np.random.default_rng(1)
    names = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x = file.create_dataset("X", (case.n_cells, case.n_markers), np.float32)
        x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        write_elem(file, "obs", pd.DataFrame(index=pd.Index([], dtype=str)))
        del file["obs/_index"]
        index = file["obs"].create_dataset("_index", (case.n_cells,), names)
        index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        for start in range(0, case.n_cells, CHUNK):
            stop = min(start + CHUNK, case.n_cells)
            drawn = rng.integers(case.n_pops, size=stop - start)
            noise = 0.3 * rng.standard_normal((stop - start, case.n_markers), np.float32)
            x[start:stop] = modes[drawn] + noise
            index[start:stop] = np.arange(start, stop).astype(str).astype(object)
        write_elem(file, "var", pd.DataFrame(index=_markers(case)))


def write_model(case: Case, path: Path) -> None:
    """A checkpoint of a model that was not trained: as fast as one that was."""
    import torch

    from scyan_exp.data.preprocess import Preprocessing
    from scyan_exp.data.table import KnowledgeTable
    from scyan_exp.training.scyan import Scyan

    rho = _rho(case)
    rng = np.random.default_rng(2)
    x = np.nan_to_num(rho)[rng.integers(case.n_pops, size=N_TRAINING)]
    x = (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
    populations = [f"population {i}" for i in range(case.n_pops)]
    model = Scyan(
        KnowledgeTable(populations, _markers(case), rho),
        preprocessing=Preprocessing.fit(x, transform="none"),
        n_layers=case.n_layers,
    )
    state = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.0.0",
    }
    torch.save(state, path)


def _rho(case: Case) -> np.ndarray:
    return Case(CHUNK, case.n_markers, case.n_pops).draw()[1]


def _markers(case: Case) -> list[str]:
    return [f"m{i}" for i in range(case.n_markers)]


def _measured(folder: Path, part: str) -> dict[str, Any]:
    """One of ``PARTS`` in a process of its own."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.annotate", part, str(folder), str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "GOMP_SPINCOUNT": "5000"},
    )
    assert process.stdout is not None
    shown = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{part} failed")
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return {
        "part": part,
        "process_s": time.perf_counter() - begun,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_gib": usage.ru_maxrss / unit,
        **json.loads(shown.splitlines()[-1]),
    }


def _work(part: str, folder: Path, out: Path) -> dict[str, float]:
    """What a process measures."""
    from scyan_exp.run.annotating.files import annotate_files
    from scyan_exp.run.annotating.models import load_members

    os.sync()  # nothing else waits for the disk
    cells, model = folder / "cells.h5ad", folder / "model.ckpt"
    if part == "all":
        begun = time.perf_counter()
        (done,) = annotate_files(model, [cells], out)
        assert done.busy is not None
        return {"seconds": time.perf_counter() - begun, **vars(done.busy)}
    out.mkdir()
    return {"seconds": _alone(part, cells, out / "cells.h5ad", Annotator(load_members(model)))}


def _alone(part: str, path: Path, output: Path, annotator: Annotator) -> float:
    """Seconds of one of the three without the other two."""
    from scyan_exp.data.h5ad_blocks import H5adBlocks
    from scyan_exp.run.annotating.filling import H5adFilling
    from scyan_exp.run.annotating.h5ad import H5adSteps
    from scyan_exp.run.annotating.partial import Partial
    from scyan_exp.run.annotating.plan import Job
    from scyan_exp.run.annotating.ways import Task

    with H5adBlocks(path) as cells:
        job = Job(path, "h5ad", output, "h5ad")
        steps = H5adSteps(cells, Task(job, annotator))
        first, *_, last = spans = list(steps.spans())
        blocks = {span: steps.read(span) for span in (first, last)}
        added = {span: steps.compute(block) for span, block in blocks.items()}
        begun = time.perf_counter()
        if part == "reading":
            for span in spans:
                steps.read(span)
        elif part == "computing":
            for span in spans:
                steps.compute(blocks.get(span, blocks[first]))
        else:
            with H5adFilling(path, output, cells.n_cells, cells.x_range, Partial("")) as filling:
                for span in spans:
                    filling.write(span[0], added.get(span, added[first]))
                filling.finish()
        return time.perf_counter() - begun


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    by_part = {row["part"]: row for row in rows}
    whole, n_cells = by_part["all"], rows[0]["cells"]
    slowest = max((by_part[part] for part in PARTS[:3]), key=lambda row: row["seconds"])
    lines = [
        f"{rows[0]['case']} (cells x markers x populations)",
        "",
        "| | seconds alone | at work in the whole, s | share of the whole |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {part} | {by_part[part]['seconds']:.1f} | {whole[part]:.1f} "
        f"| {whole[part] / whole['seconds']:.0%} |"
        for part in PARTS[:3]
    ]
    lines += [
        f"| **all at the same time** | | **{whole['seconds']:.1f}** | |",
        "",
        f"{n_cells / whole['seconds']:,.0f} cells a second: "
        f"**{slowest['seconds'] / whole['seconds']:.0%}** of the speed of {slowest['part']} alone. "
        f"Peak memory {whole['peak_gib']:.2f} GiB.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(_work(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))

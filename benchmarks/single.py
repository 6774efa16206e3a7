"""A single run, the whole command: from Enter to the prompt, by parts."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.real import data_folder, himc

#: What is left out of the command in turn; the differences are what each costs.
WITHOUT = {
    "everything": [],
    "no figures": ["figures.draw=none"],
    "no W&B": ["logger=none"],
    "neither": ["figures.draw=none", "logger=none"],
}


def measure_single(repeats: int) -> list[dict[str, Any]]:
    """A row for each variant of the HIMC run; the variants take turns."""
    data = data_folder()
    if data is None:
        return []
    times: dict[str, list[dict[str, float]]] = {name: [] for name in (*WITHOUT, "imports")}
    for _ in range(repeats):
        for name, overrides in WITHOUT.items():
            times[name].append(_trained([*himc(data), *overrides]))
        times["imports"].append(_timed(["-c", "import pytorch_lightning, wandb, anndata"]))
    return [
        {"what": name, **{key: statistics.median(one[key] for one in all_) for key in all_[0]}}
        for name, all_ in times.items()
    ]


def _trained(overrides: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        arguments = ["-m", "scyan_exp", "train", *overrides, f"hydra.run.dir={run}"]
        times = _timed(arguments)
        result = json.loads((run / "result.json").read_text())
        return {**times, "fit_seconds": result["fit_seconds"], "epochs": result["epochs"]}


def _timed(arguments: list[str]) -> dict[str, float]:
    """Seconds on the clock, and of the processors, of a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"failed: {' '.join(arguments)}")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime}


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| HIMC, `scyan-exp train` | seconds | of processors | of which training |"]
    lines += ["| --- | --- | --- | --- |"]
    for row in rows:
        fit = f"{row['fit_seconds']:.1f}" if "fit_seconds" in row else ""
        lines.append(f"| {row['what']} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} | {fit} |")
    return "\n".join(lines)

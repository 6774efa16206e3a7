"""Sweeps of the HIMC data under the fleet launcher: seconds in all, and between two jobs.

Needs the cells (``SCYAN_EXP_DATA``). The reference's own ``scripts/run.py -m`` took 179 s for the
first sweep, 44.7 s a job, on 4 cores; that was measured once and is not repeated here.
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.real import data_folder, himc

REFERENCE_SECONDS, REFERENCE_A_JOB = 179.0, 44.7
SWEEPS = {
    "4 jobs": ["model.prior_std=0.2,0.25,0.3,0.35"],
    "40 jobs": ["model.prior_std=0.2,0.25,0.3,0.35", "seed=range(0,10)"],
}


def measure_fleet() -> list[dict[str, Any]]:
    """A row for each sweep; nothing where the data are not."""
    data = data_folder()
    if data is None:
        return []
    return [_measure(name, himc(data), axes) for name, axes in SWEEPS.items()]


def _measure(name: str, dataset: list[str], axes: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "sweep"
        command = [
            *(sys.executable, "-m", "scyan_exp", "train", "-m"),
            *dataset,
            *("callbacks=none", "trainer.max_epochs=20", "hydra/launcher=fleet"),
            *(*axes, f"hydra.sweep.dir={sweep}"),
        ]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        rows = list(csv.DictReader((sweep / "sweep.csv").read_text().splitlines()))
        artifacts = ("annotated.h5ad", "result.json", "checkpoints/best.ckpt", "figures/loss.png")
        for row in rows:
            assert row["status"] == "completed", row
            assert all((Path(row["folder"]) / artifact).exists() for artifact in artifacts)
        return {
            "sweep": name,
            "seconds": seconds,
            "seconds_a_job": seconds / len(rows),
            "median_job": statistics.median(float(row["seconds"]) for row in rows),
            "median_gap": _median_gap(rows),
            "ratio": REFERENCE_A_JOB / (seconds / len(rows)),
        }


def _median_gap(rows: list[dict[str, str]]) -> float | None:
    """Seconds from the last line of a job's log to the first of the next job's in its slot."""
    by_device: dict[str, list[tuple[datetime, datetime]]] = {}
    for row in rows:
        lines = (Path(row["folder"]) / "train.log").read_text().splitlines()
        times = [t for line in lines if (t := _time(line)) is not None]
        by_device.setdefault(row["device"], []).append((times[0], times[-1]))
    gaps = [
        (later[0] - earlier[1]).total_seconds()
        for spans in by_device.values()
        for earlier, later in zip(sorted(spans), sorted(spans)[1:], strict=False)
    ]
    return statistics.median(gaps) if gaps else None


def _time(line: str) -> datetime | None:
    try:
        return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f")
    except ValueError:
        return None


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| HIMC Plate3 (80,415 cells x 20 x 23), 20 epochs | seconds in all | seconds a job "
        "| reference, seconds a job | ratio | a job in its slot, s | between two jobs, s |",
        "|" + " --- |" * 7,
    ]
    for row in rows:
        gap = "" if row["median_gap"] is None else f"{row['median_gap']:.2f}"
        lines.append(
            f"| {row['sweep']} | {row['seconds']:.1f} | {row['seconds_a_job']:.2f} "
            f"| {REFERENCE_A_JOB} | **{row['ratio']:.0f}** | {row['median_job']:.1f} | {gap} |"
        )
    return "\n".join(lines)

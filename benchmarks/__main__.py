"""Time this project and the reference (PyPI ``scyan``), interleaved, on the same data.

python -m benchmarks [--cases aml,himc] [--threads 1,4] [--repeats 3] [--epochs 4] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import CASES

IMPLEMENTATIONS = ("ours", "reference")


def main() -> None:
    """Run the cases and print a table in Markdown."""
    options = _options()
    rows = []
    for case in options.cases.split(","):
        for n_threads in map(int, options.threads.split(",")):
            results = _interleaved(case, n_threads, options.repeats, options.epochs)
            rows.append(_row(case, n_threads, results))
    machine = f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}"
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {machine}\n")
    print(markdown(rows))
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine, "rows": rows}, indent=2))


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table: medians, ours / reference, and the ratio."""
    lines = [
        "| case | cells x markers x populations | threads | s an epoch | ratio | s to annotate "
        "| ratio | MiB above imports |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ours, theirs = row["ours"], row["reference"]
        case = CASES[row["case"]]
        lines.append(
            f"| {row['case']} | {case.n_cells:,} x {case.n_markers} x {case.n_pops} "
            f"| {row['threads']} "
            f"| {ours['epoch']:.3f} / {theirs['epoch']:.3f} "
            f"| {theirs['epoch'] / ours['epoch']:.1f} "
            f"| {ours['annotate']:.3f} / {theirs['annotate']:.3f} "
            f"| {theirs['annotate'] / ours['annotate']:.1f} "
            f"| {ours['memory_mib']:.0f} / {theirs['memory_mib']:.0f} |"
        )
    return "\n".join(lines)


def _interleaved(
    case: str, n_threads: int, repeats: int, n_epochs: int
) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in IMPLEMENTATIONS}
    for _ in range(repeats):
        for name in IMPLEMENTATIONS:
            results[name].append(_measure(name, case, n_threads, n_epochs))
    return results


def _measure(implementation: str, case: str, n_threads: int, n_epochs: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.measure", implementation, case, str(n_epochs)]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(n_threads)},
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _row(case: str, n_threads: int, results: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians over the repeats; the first epoch, which warms up, is left out."""
    row: dict[str, Any] = {"case": case, "threads": n_threads}
    for name, runs in results.items():
        epochs = [seconds for run in runs for seconds in run["epochs"][1:]]
        row[name] = {
            "epoch": statistics.median(epochs),
            "epoch_min_max": [min(epochs), max(epochs)],
            "annotate": statistics.median(run["annotate"] for run in runs),
            "memory_mib": statistics.median(run["memory_mib"] for run in runs),
        }
    return row


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--cases", default="aml,himc", help=f"of {', '.join(CASES)}")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4, help="the first one is not counted")
    parser.add_argument("--json", help="also write the numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()

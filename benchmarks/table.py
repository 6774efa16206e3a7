"""The table: this project beside the reference, interleaved, on the same data."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.cases import CASES
from benchmarks.flops import training_flops
from benchmarks.measure import MAX_SAMPLES
from benchmarks.processes import measured

#: Our run, its parts, the same on plain PyTorch, and the reference; see benchmarks/measure.py.
IMPLEMENTATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "run": ("run", {}),
    "lightning": ("lightning", {}),
    "loop": ("loop", {}),
    "plain": ("loop", {"SCYAN_EXP_FUSED": "0"}),
    "reference": ("reference", {}),
}
BATCH_SIZE = 8192
#: One process of three epochs is enough for so many cells: the reference takes minutes.
MANY_CELLS = 1_000_000


def measure_table(
    cases: list[str], threads: list[int], repeats: int, n_epochs: int
) -> list[dict[str, Any]]:
    """A row for each case and number of threads."""
    rows = []
    for case in cases:
        if CASES[case].n_cells >= MANY_CELLS:
            repeats, n_epochs = 1, min(n_epochs, 3)
        for n_threads in threads:
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in IMPLEMENTATIONS}
            peaks = []
            for _ in range(repeats):
                peaks.append(measured("products", CASES[case], n_threads, 0)["gflops"])
                for name, (kind, environment) in IMPLEMENTATIONS.items():
                    runs[name].append(
                        measured(kind, CASES[case], n_threads, n_epochs, **environment)
                    )
            rows.append(_row(case, n_threads, runs, statistics.median(peaks)))
            print(beside_reference(rows[-1:]).splitlines()[-1], flush=True)
    return rows


def _row(
    case: str, n_threads: int, runs: dict[str, list[dict[str, Any]]], peak_gflops: float
) -> dict[str, Any]:
    """Medians over the repeats; the first epoch, which warms up, is left out."""
    row: dict[str, Any] = {"case": case, "threads": n_threads}
    for name, results in runs.items():
        epochs = [seconds for result in results for seconds in result["epochs"][1:]]
        row[name] = {
            "epoch": statistics.median(epochs),
            "epoch_min_max": [min(epochs), max(epochs)],
            "annotate": statistics.median(result["annotate"] for result in results),
            "memory_mib": statistics.median(result["memory_mib"] for result in results),
        }
    shape, loop = CASES[case], row["loop"]["epoch"]
    n_cells = min(shape.n_cells, MAX_SAMPLES) // BATCH_SIZE * BATCH_SIZE
    row["peak_gflops"] = peak_gflops
    row["gflops"] = n_cells * training_flops(shape) / loop / 1e9
    row["share_of_peak"] = row["gflops"] / peak_gflops
    row["cells_per_second"] = n_cells / row["run"]["epoch"]
    row["overhead_lightning"] = row["lightning"]["epoch"] / loop - 1
    row["overhead_run"] = row["run"]["epoch"] / loop - 1
    for what in ("epoch", "annotate", "memory_mib"):
        row[f"ratio_{what}"] = row["reference"][what] / row["run"][what]
    return row


def markdown(rows: list[dict[str, Any]]) -> str:
    """Both tables in Markdown."""
    return f"{beside_reference(rows)}\n\n{inside(rows)}"


def beside_reference(rows: list[dict[str, Any]]) -> str:
    """Ours (``run``) and the reference."""
    header = (
        *("cells x markers x populations", "threads"),
        *("epoch: reference, s", "ours, s", "ratio"),
        *("annotate: reference, s", "ours, s", "ratio"),
        *("memory: reference, MiB", "ours, MiB", "cells a second"),
    )
    return _table(header, [_beside_reference(row) for row in rows])


def inside(rows: list[dict[str, Any]]) -> str:
    """What our epoch is made of."""
    header = (
        *("cells x markers x populations", "threads", "bare loop, s", "GFLOP/s"),
        *("of the peak of products", "Lightning adds", "with logs and checkpoints"),
        "plain PyTorch, bare loop, s",
    )
    return _table(header, [_inside(row) for row in rows])


def _beside_reference(row: dict[str, Any]) -> tuple[str, ...]:
    ours, reference = row["run"], row["reference"]
    return (
        *(f"{row['case']}: {CASES[row['case']]}", str(row["threads"])),
        *(f"{reference['epoch']:.3f}", f"{ours['epoch']:.3f}", f"**{row['ratio_epoch']:.1f}**"),
        *(f"{reference['annotate']:.3f}", f"{ours['annotate']:.3f}"),
        *(f"**{row['ratio_annotate']:.1f}**", f"{reference['memory_mib']:.0f}"),
        *(f"{ours['memory_mib']:.0f}", f"{row['cells_per_second']:,.0f}"),
    )


def _inside(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        *(f"{row['case']}: {CASES[row['case']]}", str(row["threads"])),
        *(f"{row['loop']['epoch']:.3f}", f"{row['gflops']:.0f}"),
        f"**{row['share_of_peak']:.0%}** of {row['peak_gflops']:.0f}",
        *(f"{row['overhead_lightning']:+.1%}", f"{row['overhead_run']:+.1%}"),
        f"{row['plain']['epoch']:.3f}",
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

"""Time and memory over the size of the data and of the model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.processes import measured

BASE = Case(100_000, 20, 20)
CURVES: dict[str, list[int]] = {
    "n_cells": [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000],
    "n_markers": [10, 20, 30, 40, 50, 60],
    "n_pops": [5, 10, 20, 40, 70, 100],
    "n_layers": [3, 5, 7, 9, 12],
}
LABELS = {
    "n_cells": "cells N",
    "n_markers": "markers M",
    "n_pops": "populations P",
    "n_layers": "coupling layers",
}


def measure_scaling(n_threads: int, largest: int | None = None) -> list[dict[str, Any]]:
    """A point for each size of each curve: all cells, second epoch of two.

    Args:
        n_threads: threads of PyTorch.
        largest: cells at most; for a quick look.
    """
    points = []
    for name, sizes in CURVES.items():
        for size in sizes:
            case = replace(BASE, **{name: size})
            if largest is not None:
                case = replace(case, n_cells=min(case.n_cells, largest))
                if name == "n_cells" and size > largest:
                    continue
            result = measured("lightning", case, n_threads, 3, max_samples=None)
            point = {
                "curve": name,
                "size": size,
                "epoch": min(result["epochs"][1:]),
                "annotate": result["annotate"],
                "memory_mib": result["memory_mib"],
            }
            points.append(point)
            print(point, flush=True)
    return points


def slopes(points: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Exponent of each curve from its middle to its end: 1 is linear, 0 is constant."""
    result = {}
    for name in CURVES:
        curve = [p for p in points if p["curve"] == name]
        if len(curve) < 2:
            continue
        middle, last = curve[(len(curve) - 1) // 2], curve[-1]
        steps = math.log(last["size"] / middle["size"])
        result[name] = {
            what: math.log(last[what] / middle[what]) / steps
            for what in ("epoch", "annotate", "memory_mib")
        }
    return result


def draw(points: list[dict[str, Any]], path: Path) -> None:
    """Log-log curves of seconds and MiB."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(CURVES), figsize=(13, 6), sharey="row", layout="constrained")
    for column, name in enumerate(CURVES):
        curve = [p for p in points if p["curve"] == name]
        sizes = [p["size"] for p in curve]
        time_axis, memory_axis = axes[0, column], axes[1, column]
        for what, label in (("epoch", "an epoch, all cells"), ("annotate", "annotate all cells")):
            time_axis.loglog(sizes, [p[what] for p in curve], "o-", label=label)
        memory_axis.loglog(sizes, [p["memory_mib"] for p in curve], "o-", color="tab:green")
        first = curve[-1]
        for axis, what in ((time_axis, "epoch"), (memory_axis, "memory_mib")):
            linear = [first[what] * size / first["size"] for size in sizes]
            axis.loglog(sizes, linear, ":", color="gray", label="linear")
            axis.set_xlabel(LABELS[name])
            axis.grid(visible=True, which="both", alpha=0.2)
            if name != "n_cells":
                axis.set_xticks(sizes, [str(size) for size in sizes], minor=False)
                axis.minorticks_off()
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("peak memory above imports, MiB")
    axes[0, 0].legend(frameon=False)
    axes[1, 0].legend(frameon=False)
    figure.suptitle(f"Otherwise {BASE} cells x markers x populations, {BASE.n_layers} layers")
    figure.savefig(path, dpi=110)
    plt.close(figure)

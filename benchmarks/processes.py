"""Measurements in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.cases import Case
from benchmarks.measure import MAX_SAMPLES


def measured(
    implementation: str,
    case: Case,
    n_threads: int,
    n_epochs: int,
    max_samples: int | None = MAX_SAMPLES,
    **environment: str,
) -> dict[str, Any]:
    """What :mod:`benchmarks.measure` prints."""
    shape = f"{case.n_cells}x{case.n_markers}x{case.n_pops}x{case.n_layers}"
    cells_an_epoch = "all" if max_samples is None else str(max_samples)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.measure"),
            *(implementation, shape, str(n_epochs), cells_an_epoch),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(n_threads), **environment},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{implementation} {shape} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result

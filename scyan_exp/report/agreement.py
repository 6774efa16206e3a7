"""How far the jobs of a sweep agree with each other on the cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.report.annotated import read_populations
from scyan_exp.report.numbers import all_rounded

#: Jobs that are compared, and cells that are looked at: more change no picture.
MOST_JOBS = 100
MOST_CELLS = 20_000


def agreement_data(
    folders: Mapping[int, Path], populations: Sequence[str]
) -> dict[str, Any] | None:
    """Of each pair of jobs the share of the cells that they give the same population.

    Args:
        folders: run folders by the number of the job, the best first.
        populations: of all jobs.

    Returns:
        ``jobs`` (in the order given), ``shares`` (a row a job, 0 to 1), ``n_cells`` looked at and
        ``n_left_out``, jobs that were not compared; None with fewer than two jobs. Jobs of other
        cells than most are left out.
    """
    codes = {}
    for number, folder in folders.items():
        cells = read_populations(folder)
        if cells is not None and len(cells.codes):
            codes[number] = len(cells.codes), _sampled(cells.as_codes_of(populations))
        if len(codes) == MOST_JOBS:
            break
    sizes = Counter(n for n, _ in codes.values())
    kept = {number: one for number, (n, one) in codes.items() if n == sizes.most_common(1)[0][0]}
    if len(kept) < 2:
        return None
    codes_JN = np.stack(list(kept.values()))
    shares = [all_rounded((codes_JN == one).mean(axis=1).tolist()) for one in codes_JN]
    left_out = len(folders) - len(kept)
    n_cells = codes_JN.shape[1]
    return {"jobs": list(kept), "shares": shares, "n_cells": n_cells, "n_left_out": left_out}


def _sampled(codes_N: np.ndarray) -> np.ndarray:
    """Codes of the same cells of every job: evenly spaced ones."""
    n_cells = len(codes_N)
    if n_cells <= MOST_CELLS:
        return codes_N
    return codes_N[np.linspace(0, n_cells - 1, MOST_CELLS).astype(int)]

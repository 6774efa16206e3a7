"""How far the jobs of a sweep agree with each other on the cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.report.annotated import names_of_some, read_populations
from scyan_exp.report.numbers import all_rounded
from scyan_exp.report.ranking import yaml_if_readable
from scyan_exp.run.folder import RunFolder

#: Jobs that are compared, and cells that are looked at: more change no picture.
MOST_JOBS = 100
MOST_CELLS = 20_000
#: Settings of a data set that decide which cells it has.
CHOOSE_CELLS = ("path", "seed", "n_cells", "n_batches", "subset", "n_cells_per_file")


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
            which = f"{len(cells.codes)} {_which(folder)}"
            codes[number] = which, _sampled(cells.as_codes_of(populations))
        if len(codes) == MOST_JOBS:
            break
    most = Counter(which for which, _ in codes.values()).most_common(1)
    kept = {number: one for number, (which, one) in codes.items() if which == most[0][0]}
    if len(kept) < 2:
        return None
    codes_JN = np.stack(list(kept.values()))
    shares = [all_rounded((codes_JN == one).mean(axis=1).tolist()) for one in codes_JN]
    left_out = len(folders) - len(kept)
    n_cells = codes_JN.shape[1]
    return {"jobs": list(kept), "shares": shares, "n_cells": n_cells, "n_left_out": left_out}


def _which(folder: Path) -> str:
    """What tells the cells of a run from others: their names, and what they were chosen by.

    Names alone may be numbers.
    """
    config = yaml_if_readable(RunFolder(folder).config)
    dataset = config.get("dataset") if isinstance(config, dict) else None
    chosen = {key: (dataset or {}).get(key) for key in CHOOSE_CELLS}
    return repr((names_of_some(folder), chosen))


def _sampled(codes_N: np.ndarray) -> np.ndarray:
    """Codes of the same cells of every job: evenly spaced ones."""
    n_cells = len(codes_N)
    if n_cells <= MOST_CELLS:
        return codes_N
    return codes_N[np.linspace(0, n_cells - 1, MOST_CELLS).astype(int)]

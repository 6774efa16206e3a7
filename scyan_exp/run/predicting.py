"""The probability of every population for new cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.run.annotate import annotation_of
from scyan_exp.run.read_run import Run

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from scyan_exp.training.scyan import Scyan


def predict_proba(run: str | Path | Scyan | Run, adata: AnnData) -> DataFrame:
    """The probability of every population for every cell.

    For a run with repeats, or a consensus of runs, it is the normalised weighted geometric mean of
    the members' probabilities, by which the consensus chooses populations.

    Args:
        run: the folder of a run, ``checkpoints/best.ckpt`` of one, what ``read_run`` gives, or a
            model.
        adata: N cells with the markers and covariates of the model; they are not changed.

    Returns:
        (N, P) ``p(z | x)`` in float32: a row per cell, by its name, and a column per population.
        Each row sums to 1.

    Raises:
        InputError: a marker or covariate is missing; an expression is not finite; or there is no
            run, or it has no model.
    """
    import pandas as pd

    what = run.folder if isinstance(run, Run) else run
    found = annotation_of(what, adata, PredictConfig(proba=True))
    return pd.DataFrame(found.proba, index=adata.obs_names, columns=found.table.populations)

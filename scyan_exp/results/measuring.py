"""Measuring an annotation: of a run at its end, and of a training after an epoch."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from scyan_exp.config.objectives import METRICS
from scyan_exp.data.cells import Cells
from scyan_exp.errors import listed
from scyan_exp.metrics.inputs import Inputs
from scyan_exp.metrics.measuring import measure
from scyan_exp.metrics.sampling import sample
from scyan_exp.results.annotation import Annotation, predict_cells
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)

#: Cells that a search measures in an epoch at most: of 5,000 the heuristic is too noisy.
EPOCH_CELLS = 20_000


def compute_metrics(
    annotation: Annotation, cells: Cells, best_loss: float | None = None
) -> dict[str, float]:
    """All metrics that the cells allow. Every cell counts, however improbable.

    Args:
        annotation: the annotation of the cells.
        cells: the cells.
        best_loss: the training loss of the epoch that annotates; None for a consensus.
    """
    return measure(inputs_of(annotation, cells, best_loss))


def inputs_of(annotation: Annotation, cells: Cells, best_loss: float | None = None) -> Inputs:
    """An annotation as the arrays that metrics take."""
    return Inputs(
        population=annotation.population,
        x=cells.x.numpy(),
        latent=annotation.latent,
        rho=cells.table.rho,
        labels=label_codes(cells.labels, cells.table.populations),
        batches=None if cells.batches is None else pd.factorize(cells.batches)[0],
        best_loss=best_loss,
    )


def label_codes(labels: pd.Series | None, populations: list[str]) -> np.ndarray | None:
    """(N,) rows of the table, -1 for other labels; None, with a warning, if all are others."""
    if labels is None:
        return None
    # As numbers: sorting a hundred thousand names takes half a second.
    codes = pd.Index(populations, dtype=object).get_indexer(labels)
    if (codes >= 0).any():
        return codes
    log.warning(
        "no label is a row of the table, so accuracy is not measured. Labels: %s. Rows: %s",
        listed(sorted(map(str, labels.dropna().unique()))) or "none",
        listed(populations),
    )
    return None


class EpochMetric:
    """A metric of a model in training, on some of the cells: what a search sees of an epoch.

    Args:
        name: the metric.
        cells: all cells; a sample of them is measured.
    """

    def __init__(self, name: str, cells: Cells) -> None:
        some, needs = sample(len(cells), EPOCH_CELLS), METRICS[name].needs
        self._name = name
        self._cells = replace(
            cells,
            x=cells.x[some],
            covariates=cells.covariates[some],
            labels=_some(cells.labels, some) if "labels" in needs else None,
            # Mixing of batches takes longer than an epoch, and varies little.
            batches=_some(cells.batches, some) if "batches" in needs else None,
        )

    def __call__(self, model: Scyan) -> float:
        """Its value now."""
        loss = model.epoch_metrics["loss"]
        if self._name == "loss":  # the cells need no annotation for it
            return loss
        annotation = predict_cells(model, self._cells.x, self._cells.covariates)
        model.train()
        return measure(inputs_of(annotation, self._cells, loss), [self._name])[self._name]


def _some(column: pd.Series | None, some: np.ndarray) -> pd.Series | None:
    return None if column is None else column.iloc[some]

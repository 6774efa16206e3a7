"""Measuring an annotation: of a run at its end, and of a training after an epoch."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from scyan_exp.config.objectives import METRICS
from scyan_exp.data.cells import Cells
from scyan_exp.errors import listed
from scyan_exp.metrics.inputs import CorrectedOf, Inputs
from scyan_exp.metrics.measuring import measure
from scyan_exp.metrics.sampling import sample
from scyan_exp.results.annotation import Annotation, predict_cells
from scyan_exp.results.correction import Correction, largest_batch
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)

#: Cells that a search measures in an epoch at most: of 5,000 the heuristic is too noisy.
EPOCH_CELLS = 20_000


def compute_metrics(
    annotation: Annotation,
    cells: Cells,
    best_loss: float | None = None,
    corrected_of: CorrectedOf | None = None,
) -> dict[str, float]:
    """All metrics that the cells allow. Every cell counts, however improbable.

    Args:
        annotation: the annotation of the cells.
        cells: the cells.
        best_loss: the training loss of the epoch that annotates; None for a consensus.
        corrected_of: corrects some of the cells, see :func:`correction_of`; without it nothing
            is said of batches.
    """
    return measure(inputs_of(annotation, cells, best_loss, corrected_of))


def correction_of(
    model: Scyan,
    cells: Cells,
    batch_ref: str | None = None,
    inputs: tuple[Tensor, Tensor] | None = None,
) -> Correction | None:
    """What metrics correct cells with; None for cells without batches.

    Args:
        model: the model.
        cells: the cells.
        batch_ref: the batch that they are brought to; the one with the most cells when None.
        inputs: the model's inputs and covariates, if they are not those of the cells.
    """
    if cells.batches is None or not model.encoding.batches:
        return None
    x, covariates = inputs or (cells.x, cells.covariates)
    return Correction(model, x, covariates, batch_ref or largest_batch(cells.batches))


def inputs_of(
    annotation: Annotation,
    cells: Cells,
    best_loss: float | None = None,
    corrected_of: CorrectedOf | None = None,
) -> Inputs:
    """An annotation as the arrays that metrics take."""
    return Inputs(
        population=annotation.population,
        x=cells.x.numpy(),
        latent=annotation.latent,
        rho=cells.table.rho,
        labels=label_codes(cells.labels, cells.table.populations),
        batches=None if cells.batches is None else pd.factorize(cells.batches)[0],
        corrected_of=corrected_of,
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
        listed(map(repr, sorted(map(str, labels.dropna().unique())))) or "none",
        listed(populations),
    )
    return None


class EpochMetric:
    """A metric of a model in training, on some of the cells: what a search sees of an epoch.

    Args:
        name: the metric.
        cells: all cells; a sample of them is measured.
        batch_ref: the batch that metrics of mixing correct the cells to; the largest when None.
    """

    def __init__(self, name: str, cells: Cells, batch_ref: str | None = None) -> None:
        some, needs = sample(len(cells), EPOCH_CELLS), METRICS[name].needs
        self._name, self._batch_ref = name, batch_ref
        if batch_ref is None and cells.batches is not None:
            self._batch_ref = largest_batch(cells.batches)
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
        corrected_of = correction_of(model, self._cells, self._batch_ref)
        found = measure(inputs_of(annotation, self._cells, loss, corrected_of), [self._name])
        model.train()
        return found[self._name]


def _some(column: pd.Series | None, some: np.ndarray) -> pd.Series | None:
    return None if column is None else column.iloc[some]

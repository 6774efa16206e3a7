"""Correcting the batch effect: the cells as they would have been measured in another batch.

A cell goes into latent space with the covariates of its own batch, and comes back with those of
the reference batch: ``f_inverse(f(x, c), c_ref)`` (Blampey et al. 2023, Methods).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scyan_exp.data.cells import Cells
from scyan_exp.data.sources import read_expressions
from scyan_exp.results.chunks import in_chunks
from scyan_exp.results.columns import CORRECTED
from scyan_exp.training.scyan import Scyan

if TYPE_CHECKING:
    from anndata import AnnData


def correct(model: Scyan, x: Tensor, covariates: Tensor, batch_ref: str) -> np.ndarray:
    """Expressions of the table's markers without batch effect, in the units of the raw cells.

    Only the batch changes: other covariates of a cell stay as they are. (The reference sets them
    to those of the first cell of the reference batch.)

    Args:
        model: a model that was trained with ``dataset.batch_key``.
        x: (N, M) model inputs.
        covariates: (N, C) covariates.
        batch_ref: the batch that all cells are brought to; its own cells stay as they are, but
            for rounding, and for expressions that were clipped (``dataset.max_value``).

    Returns:
        (N, M) float32.

    Raises:
        InputError: the model knows no batches, or not this one.
    """
    corrected_NM = corrected_inputs(model, x, covariates, batch_ref)
    return np.asarray(model.preprocessing.undo(corrected_NM), np.float32)


def corrected_inputs(model: Scyan, x: Tensor, covariates: Tensor, batch_ref: str) -> np.ndarray:
    """As :func:`correct`, in the units of the model's inputs."""
    model.eval()
    model.encoding.check_batch(batch_ref)

    def corrected(*batch: Tensor) -> list[Tensor]:
        x, covariates = (part.to(model.device) for part in batch)
        latent = model.computing.compute_probabilities(x, covariates)[2]
        return [model.module.inverse(latent, model.encoding.in_batch(covariates, batch_ref))]

    return in_chunks(corrected, x, covariates)[0]


@dataclass(frozen=True, repr=False)
class Correction:
    """Corrects cells when somebody asks for it: :mod:`scyan_exp.metrics` does, for some of them.

    Attributes:
        model: the model.
        x: (N, M) its inputs.
        covariates: (N, C) its covariates.
        batch_ref: the batch that cells are brought to.
    """

    model: Scyan
    x: Tensor
    covariates: Tensor
    batch_ref: str

    def __call__(self, some: np.ndarray) -> np.ndarray:
        """Corrected inputs (S, M) of the cells with these indices (S,)."""
        chosen = torch.from_numpy(some).to(self.x.device)
        return corrected_inputs(self.model, self.x[chosen], self.covariates[chosen], self.batch_ref)


def corrected_layers(
    model: Scyan, cells: Cells, batch_ref: str | None, inputs: tuple[Tensor, Tensor] | None = None
) -> dict[str, np.ndarray]:
    """The layer of corrected expressions (N, V), by its name; none without a reference batch.

    Args:
        model: the model that corrects.
        cells: the cells.
        batch_ref: the batch that they are brought to.
        inputs: the model's inputs and covariates, if they are not those of the cells.
    """
    if batch_ref is None:
        return {}
    corrected_NM = correct(model, *(inputs or (cells.x, cells.covariates)), batch_ref)
    return {CORRECTED: corrected_layer(cells.adata, cells.table.markers, corrected_NM)}


def largest_batch(batches: pd.Series) -> str:
    """The batch with the most cells, the first by name of several: the reference's choice."""
    counts = batches.astype(str).value_counts()
    return str(min(counts.index[counts == counts.max()]))


def corrected_layer(adata: AnnData, markers: Sequence[str], corrected_NM: np.ndarray) -> np.ndarray:
    """Corrected expressions in the shape of X, for a layer; float32.

    Args:
        adata: N cells with V columns, in memory or on disk.
        markers: names of the M columns that are corrected; the others stay as they were.
        corrected_NM: (N, M) corrected expressions.
    """
    positions = adata.var_names.get_indexer(list(markers))
    others = [name for name in adata.var_names if name not in set(markers)]
    layer_NV = np.empty((len(corrected_NM), adata.n_vars), np.float32)
    layer_NV[:, positions] = corrected_NM
    if others:
        layer_NV[:, adata.var_names.get_indexer(others)] = read_expressions(adata, others)
    return layer_NV

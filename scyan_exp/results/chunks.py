"""Predicting many cells, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from scyan_exp.data.datamodule import ChunkLoader

#: Cells predicted at a time; small enough for a laptop and for a processor's cache.
CHUNK_SIZE = 8192


def in_chunks(
    predict: Callable[[Tensor, Tensor], Sequence[Tensor]], x: Tensor, covariates: Tensor
) -> list[np.ndarray]:
    """What ``predict`` returns, for all cells.

    Args:
        predict: takes inputs (B, M) and covariates (B, C) of some cells; returns tensors with a
            row a cell.
        x: (N, M) inputs of all cells.
        covariates: (N, C) covariates.

    Returns:
        An array with N rows for each of the tensors.
    """
    wholes: list[np.ndarray] = []
    start = 0
    with torch.inference_mode():
        for chunk in ChunkLoader(x, covariates, CHUNK_SIZE):
            parts = [part.numpy(force=True) for part in predict(*chunk)]
            wholes = wholes or [np.empty((len(x), *one.shape[1:]), one.dtype) for one in parts]
            for whole, part in zip(wholes, parts, strict=True):
                whole[start : start + len(part)] = part
            start += len(chunk[0])
    return wholes

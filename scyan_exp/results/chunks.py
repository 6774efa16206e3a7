"""Predicting many cells, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

#: Cells predicted at a time; small enough for a laptop and for a processor's cache.
CHUNK_SIZE = 8192


def in_chunks(predict: Callable[..., Sequence[Tensor]], *tensors: Tensor) -> list[np.ndarray]:
    """What ``predict`` returns, for all cells.

    Args:
        predict: takes the rows of some cells, B of each tensor; returns tensors with a row a cell.
        tensors: tensors with N rows, such as inputs (N, M) and covariates (N, C).

    Returns:
        An array with N rows for each of the tensors.
    """
    wholes: list[np.ndarray] = []
    start, n_cells = 0, len(tensors[0])
    with torch.inference_mode():
        for chunk in zip(*(one.split(CHUNK_SIZE) for one in tensors), strict=True):
            parts = [part.numpy(force=True) for part in predict(*chunk)]
            wholes = wholes or [np.empty((n_cells, *one.shape[1:]), one.dtype) for one in parts]
            for whole, part in zip(wholes, parts, strict=True):
                whole[start : start + len(part)] = part
            start += len(chunk[0])
    return wholes

"""Some of the cells, where all of them would take too long."""

from __future__ import annotations

import numpy as np


def sample(n_cells: int, n_wanted: int) -> np.ndarray:
    """Indices of some cells, always the same; at random, as batches may stand in turns."""
    if n_cells <= n_wanted:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(0).choice(n_cells, n_wanted, replace=False))

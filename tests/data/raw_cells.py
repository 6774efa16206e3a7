"""Cells that look as cytometers give them: counts of ions, and linear intensities."""

from __future__ import annotations

import numpy as np


def counts(n_cells: int = 2000, seed: int = 0) -> np.ndarray:
    """Ions: many cells have none of a marker, others many."""
    rng = np.random.default_rng(seed)
    return rng.poisson(np.where(rng.random((n_cells, 4)) < 0.6, 0.3, 60.0)).astype(np.float32)


def flow(n_cells: int = 2000, seed: int = 0, noise: float = 300) -> np.ndarray:
    """Linear intensities: negatives that spread around 0, and positives decades above."""
    rng = np.random.default_rng(seed)
    is_positive = rng.random((n_cells, 4)) < 0.4
    positive = rng.lognormal([8, 9, 10, 11], 0.7, (n_cells, 4))
    return np.where(is_positive, positive, rng.normal(0, noise, (n_cells, 4))).astype(np.float32)

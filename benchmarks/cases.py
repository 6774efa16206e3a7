"""Data of the shapes that are timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """N cells, M markers, P populations."""

    n_cells: int
    n_markers: int
    n_pops: int

    def draw(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Standardised cells (N, M) around a random table (P, M) with a fifth of it unknown."""
        rng = np.random.default_rng(seed)
        rho = rng.choice([-1.0, 1.0], size=(self.n_pops, self.n_markers))
        rho[rng.random(rho.shape) < 0.2] = np.nan
        x = np.nan_to_num(rho)[rng.integers(self.n_pops, size=self.n_cells)]
        x = x + 0.3 * rng.standard_normal(x.shape)
        return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32), rho


CASES = {
    "aml": Case(104_184, 14, 14),
    "himc": Case(80_415, 20, 23),
    "tiny": Case(20_000, 14, 14),
}

"""Data of the shapes that are timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 100_000


@dataclass(frozen=True)
class Case:
    """N cells, M markers, P populations, and the number of coupling layers of the flow."""

    n_cells: int
    n_markers: int
    n_pops: int
    n_layers: int = 7

    def __str__(self) -> str:
        return f"{self.n_cells:,} x {self.n_markers} x {self.n_pops}"

    def draw(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Cells (N, M) of about unit variance around a random table (P, M), a fifth unknown."""
        rng = np.random.default_rng(seed)
        rho = rng.choice([-1.0, 1.0], size=(self.n_pops, self.n_markers))
        rho[rng.random(rho.shape) < 0.2] = np.nan
        modes = np.nan_to_num(rho).astype(np.float32)
        x = np.empty((self.n_cells, self.n_markers), np.float32)
        for start in range(0, self.n_cells, CHUNK):  # so that drawing needs no memory of note
            part = x[start : start + CHUNK]
            rng.standard_normal(out=part, dtype=np.float32)
            part *= 0.3
            part += modes[rng.integers(self.n_pops, size=len(part))]
        return x, rho


CASES = {
    "aml": Case(104_184, 14, 14),
    "himc": Case(80_415, 20, 23),
    "million": Case(1_000_000, 40, 40),
    "tiny": Case(20_000, 14, 14),
}

"""How the expressions of each marker are distributed, and how far apart two distributions lie."""

from __future__ import annotations

import numpy as np

from scyan_exp.data.cells_doubts import some_cells

#: Shares of the cells that lie below each quantile; cells beyond the first and last are outliers.
SHARES = np.linspace(0.005, 0.995, 100)
#: Number of cells looked at: the quantiles of more differ by a hundredth of a standard deviation.
MOST_CELLS = 10_000


def quantiles(x_NM: np.ndarray) -> np.ndarray:
    """Quantiles (100, M) of expressions (N, M)."""
    return np.quantile(some_cells(x_NM, MOST_CELLS), SHARES, axis=0)


def distances(one_QM: np.ndarray, other_QM: np.ndarray) -> np.ndarray:
    """How far apart two distributions of each marker lie, given their quantiles.

    The mean distance of the quantiles (Wasserstein), in standard deviations of the narrower
    distribution, so that a spread that shrinks counts as much as one that grows.

    Returns:
        M numbers >= 0; infinite where one distribution is constant and the other differs.
    """
    apart_M = np.abs(one_QM - other_QM).mean(axis=0)
    std_M = np.minimum(one_QM.std(axis=0), other_QM.std(axis=0))
    infinite_M = np.where(apart_M > 0, np.inf, 0.0)
    return np.divide(apart_M, std_M, out=infinite_M, where=std_M > 0)

"""The reference's heuristic and its parts: what can be said without labels."""

from __future__ import annotations

import math

import numpy as np

from scyan_exp.metrics.registry import metric

#: Cells on which the Davies-Bouldin index is computed at most.
DAVIES_BOULDIN_CELLS = 200_000


@metric(direction="minimize")
def n_missing_populations(counts_P: np.ndarray) -> int:
    """Populations without a cell."""
    return int((counts_P == 0).sum())


@metric(direction="minimize")
def davies_bouldin(population_N: np.ndarray, x_NM: np.ndarray) -> float:
    """How much the expressions of the populations overlap; infinite if there are fewer than two."""
    from sklearn.metrics import davies_bouldin_score

    step = -(-len(x_NM) // DAVIES_BOULDIN_CELLS)
    population_N, x_NM = population_N[::step], x_NM[::step]
    if not 2 <= len(np.unique(population_N)) < len(x_NM):
        return math.inf
    return float(davies_bouldin_score(x_NM, population_N))


@metric(direction="minimize")
def neg_log_dirichlet(counts_P: np.ndarray) -> float:
    """Minus the sum of the log proportions of the populations found; smallest for even ones."""
    proportions = counts_P[counts_P > 0] / counts_P.sum()
    return float(-np.log(proportions).sum())


@metric(direction="minimize")
def heuristic(
    n_missing_populations: int,
    davies_bouldin: float,
    neg_log_dirichlet: float,
    ilisi: float | None = None,
) -> float:
    """What the reference's searches minimise: the product of the parts.

    ``(n_missing_populations + 1) * davies_bouldin * neg_log_dirichlet``, divided by ``ilisi``
    (of corrected expressions) if the cells have batches.
    """
    # One population alone has neg_log_dirichlet 0, and is the worst annotation nevertheless.
    if neg_log_dirichlet <= 0:
        return math.inf
    product = (n_missing_populations + 1) * davies_bouldin * neg_log_dirichlet
    return product if ilisi is None else product / ilisi

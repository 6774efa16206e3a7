"""How well annotated cells follow the knowledge table."""

from __future__ import annotations

import numpy as np

from scyan_exp.metrics.registry import metric

#: A variance below this share of that of all cells counts as zero.
CONSTANT = 1e-12


@metric(direction="maximize")
def table_agreement(x_NM: np.ndarray, population_N: np.ndarray, rho_PM: np.ndarray) -> float:
    """How well the expressions of annotated cells follow the table, at most 1.

    Of each marker: the correlation of the cells' expressions with the table's entries for their
    populations, over the cells whose population has an entry, times the share of these cells.
    Then the mean over the markers for which the table has different entries. An unknown entry
    counts as no agreement: otherwise cells could hide in populations of which the table says
    little, which is how trainings fail.

    Args:
        x_NM: (N, M) model inputs; the scale of a marker makes no difference.
        population_N: (N,) population indices.
        rho_PM: (P, M) knowledge table, NaN where not known.
    """
    n_cells, n_pops = len(x_NM), len(rho_PM)
    n_known = [len(np.unique(column[~np.isnan(column)])) for column in rho_PM.T]
    markers = [m for m, n in enumerate(n_known) if n > 1]
    n_P = np.bincount(population_N, minlength=n_pops).astype(float)
    return sum(
        _correlation(x_NM[:, m], population_N, n_P, rho_PM[:, m])
        * n_P[~np.isnan(rho_PM[:, m])].sum()
        / n_cells
        for m in markers
    ) / max(len(markers), 1)


def _correlation(
    x_N: np.ndarray, population_N: np.ndarray, n_P: np.ndarray, rho_P: np.ndarray
) -> float:
    """Pearson correlation of expressions with the entries of their populations, where known."""
    known, n_pops = ~np.isnan(rho_P), len(rho_P)
    x_N = x_N.astype(np.float64)
    x_N = x_N - x_N.mean()
    sum_P = np.bincount(population_N, weights=x_N, minlength=n_pops)[known]
    square_P = np.bincount(population_N, weights=x_N**2, minlength=n_pops)[known]
    n_P, rho_P = n_P[known], rho_P[known]
    n = n_P.sum()
    if n == 0:
        return 0.0
    mean_x, mean_rho = sum_P.sum() / n, n_P @ rho_P / n
    var_x, var_rho = square_P.sum() / n - mean_x**2, n_P @ rho_P**2 / n - mean_rho**2
    if var_x <= CONSTANT * (x_N @ x_N) / len(x_N) or var_rho <= CONSTANT:
        return 0.0
    return float((sum_P @ rho_P / n - mean_x * mean_rho) / np.sqrt(var_x * var_rho))

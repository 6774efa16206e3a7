"""Whether an annotation can be trusted: signs that need no labels.

The strongest one does not ask the model. At each marker with two groups of cells a threshold parts
them. A cell whose markers match exactly one row of the table, by these thresholds alone, should
have been given that row. Where most such cells were given another one, the training went astray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scyan_exp.data.cells_doubts import find_modes, matches, some_cells
from scyan_exp.data.table import KnowledgeTable

#: Cells below which nothing is said of a population.
FEWEST = 20


@dataclass(frozen=True)
class Signs:
    """What speaks for and against an annotation. NaN where there are too few cells to say.

    Attributes:
        kept: share of the cells matching exactly one row that were given it.
        kept_by_population: (P,) the same for each population.
        contradictions: (P, M) whether the cells given a population are on the other side of a
            marker than its entry says; False where it says nothing or there are too few cells.
        n_cells: (P,) cells given each population.
    """

    kept: float
    kept_by_population: np.ndarray
    contradictions: np.ndarray
    n_cells: np.ndarray

    @property
    def kept_mean(self) -> float:
        """Mean of ``kept_by_population`` over the populations with enough cells to say."""
        return (
            float(np.nanmean(self.kept_by_population))
            if (~np.isnan(self.kept_by_population)).any()
            else np.nan
        )

    @property
    def contradicted(self) -> float:
        """Share of the populations with a contradicted entry, by their cells."""
        has_one = self.contradictions.any(axis=1)
        return float(self.n_cells[has_one].sum() / max(self.n_cells.sum(), 1))

    @property
    def n_empty(self) -> int:
        """Populations without cells."""
        return int((self.n_cells == 0).sum())


def signs_of(table: KnowledgeTable, x_NM: np.ndarray, population_N: np.ndarray) -> Signs:
    """The signs of an annotation.

    Args:
        table: P populations by M markers.
        x_NM: (N, M) model inputs.
        population_N: (N,) population indices.
    """
    n_pops = len(table.populations)
    modes = [find_modes(x_N) for x_N in some_cells(x_NM).T]
    fits = matches(table, x_NM, modes)
    one = fits.sum(axis=1) == 1
    row_N, given_N = fits[one].argmax(axis=1), population_N[one]
    n_P = np.bincount(row_N, minlength=n_pops)
    kept_n_P = np.bincount(row_N[row_N == given_N], minlength=n_pops)
    enough = n_P >= FEWEST
    kept_P = np.where(enough, kept_n_P / np.maximum(n_P, 1), np.nan)
    kept = kept_n_P.sum() / n_P.sum() if n_P.sum() >= FEWEST else np.nan
    n_cells_P = np.bincount(population_N, minlength=n_pops)
    return Signs(float(kept), kept_P, _contradicted(table, x_NM, population_N), n_cells_P)


def _contradicted(table: KnowledgeTable, x_NM: np.ndarray, population_N: np.ndarray) -> np.ndarray:
    """(P, M): the mean of a population is on the wrong side of the middle of a marker.

    The middle is half-way between the means of the cells whose populations have + and -.
    """
    n_P = np.bincount(population_N, minlength=len(table.rho))
    sums = [np.bincount(population_N, x_N, len(table.rho)) for x_N in x_NM.T.astype(float)]
    sum_PM = np.stack(sums, axis=1)
    mean_PM = sum_PM / np.maximum(n_P, 1)[:, None]
    middle_M = np.full(x_NM.shape[1], np.nan)
    for m, rho_P in enumerate(table.rho.T):
        plus, minus = rho_P > 0, rho_P < 0
        if n_P[plus].sum() >= FEWEST and n_P[minus].sum() >= FEWEST:
            means = [sum_PM[side, m].sum() / n_P[side].sum() for side in (plus, minus)]
            middle_M[m] = sum(means) / 2
    wrong = (mean_PM - middle_M) * np.sign(np.nan_to_num(table.rho)) < 0
    return np.asarray(wrong & (n_P >= FEWEST)[:, None])

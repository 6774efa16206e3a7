"""On which side of the markers cells are, without asking a model.

At each marker with two groups of cells a threshold parts them, so a cell is negative or positive
there, and can be held against the entries of any row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scyan_exp.metrics.registry import metric
from scyan_exp.metrics.sampling import sample

#: Cells below which nothing is said of a population.
FEWEST = 20
#: Share of the cells that may be strays, and do not speak for the others.
STRAYS = 0.01
#: Cells looked at: more change nothing, and take time.
MOST_CELLS = 50_000


@metric(direction="minimize")
def avoidable(x_NM: np.ndarray, population_N: np.ndarray, rho_PM: np.ndarray) -> float:
    """The share of the cells that contradict more entries of their own row than of another one.

    Args:
        x_NM: (N, M) model inputs.
        population_N: (N,) population indices.
        rho_PM: (P, M) knowledge table, NaN where not known.
    """
    some = sample(len(x_NM), MOST_CELLS)
    x_BM = np.asarray(x_NM[some], np.float32)
    return Sides.of(rho_PM, x_BM).avoidable(population_N[some])


@metric(direction="maximize")
def table_fit(table_agreement: float, avoidable: float) -> float:
    """How well the annotation fits the table, at most 1: ``table_agreement - avoidable``.

    The agreement alone rewards expressions that lie far apart, also where they are on the wrong
    side; the share of avoidable contradictions alone says nothing of how far apart they lie.
    """
    return table_agreement - avoidable


@dataclass(frozen=True)
class Sides:
    """On which side of the K markers with two modes B cells are.

    Attributes:
        positive: (B, K) whether each cell is above the threshold.
        rho: (P, K) the table at these markers, 0 where not known.
        usable: indices of these markers among all M.
        thresholds: (K,) what parts the sides.
        is_clear: (M,) markers whose modes are well apart.
    """

    positive: np.ndarray
    rho: np.ndarray
    usable: list[int]
    thresholds: np.ndarray
    is_clear: np.ndarray

    @classmethod
    def of(cls, rho_PM: np.ndarray, x_BM: np.ndarray) -> Sides:
        """The sides of cells.

        Args:
            rho_PM: the table, NaN where not known.
            x_BM: inputs of the model.
        """
        from scyan_exp.data.cells_doubts import CLEAR, Modes, find_modes

        modes: Sequence[Modes | None] = [find_modes(x_B) for x_B in x_BM.T]
        usable = [m for m, found in enumerate(modes) if found is not None]
        thresholds = np.array([found.threshold for found in modes if found is not None])
        is_clear = np.array([found is not None and found.valley <= CLEAR for found in modes])
        rho_PK = np.nan_to_num(rho_PM[:, usable])
        return cls(x_BM[:, usable] > thresholds, rho_PK, usable, thresholds, is_clear)

    @cached_property
    def n_wrong(self) -> np.ndarray:
        """(B, P) how many entries of a row a cell contradicts."""
        positive = self.positive.astype(np.float32)
        minus, plus = (self.rho < 0).T, (self.rho > 0).T
        return np.asarray(positive @ minus + (1 - positive) @ plus)

    @cached_property
    def is_testable(self) -> np.ndarray:
        """(P,) rows that a cell can contradict: with a sign at a marker with two modes.

        Every cell matches the other rows. So they say nothing about a cell, and a cell that was
        given one of them is not judged.
        """
        return np.asarray((self.rho != 0).any(axis=1))

    @cached_property
    def least_wrong(self) -> np.ndarray:
        """(B,) entries that a cell contradicts of the testable row that fits it best."""
        least_B = self.n_wrong[:, self.is_testable].min(axis=1, initial=np.inf)
        return np.asarray(least_B)

    def kept(self, population_B: np.ndarray) -> float:
        """Of the cells that fit one row best, the share that were given it; NaN of few.

        They match it alone. Where hardly any cell does, a row does not count beside another one
        that the cell matches too and that has all its signs and more.
        """
        fits_BP = (self.n_wrong == 0) & self.is_testable
        best_BP = fits_BP & ~self._has_less(fits_BP)
        is_told_B = self.is_testable[population_B]
        alone_B, best_B = (is_told_B & (some.sum(axis=1) == 1) for some in (fits_BP, best_BP))
        counted_B = alone_B if alone_B.mean() >= STRAYS else best_B
        if counted_B.sum() < FEWEST:
            return np.nan
        return float((best_BP[counted_B].argmax(axis=1) == population_B[counted_B]).mean())

    def _has_less(self, fits_BP: np.ndarray) -> np.ndarray:
        """(B, P) whether a row that the cell matches has all signs of this row, and more."""
        sign_PK = np.sign(self.rho)
        n_P = np.abs(sign_PK).sum(axis=1)
        is_part_PP = (sign_PK @ sign_PK.T == n_P[:, None]) & (n_P[:, None] < n_P)
        return np.asarray(fits_BP.astype(np.float32) @ is_part_PP.T > 0)

    def unmatched(self, population_B: np.ndarray) -> float:
        """The share of the cells that match no row."""
        return float(((self.least_wrong > 0) & self.is_testable[population_B]).mean())

    def avoidable(self, population_B: np.ndarray) -> float:
        """The share of the cells that contradict more entries of their row than of another."""
        own_B = self.n_wrong[np.arange(len(population_B)), population_B]
        return float((own_B > self.least_wrong).mean())

    def right(self, population_B: np.ndarray) -> np.ndarray:
        """(P, M) share of the cells given a population that are on the side that its entry says.

        NaN where not known, without two modes or of few cells.
        """
        n_pops = len(self.rho)
        n_P = np.bincount(population_B, minlength=n_pops)
        right = np.full((n_pops, len(self.is_clear)), np.nan)
        for k, m in enumerate(self.usable):
            n_positive_P = np.bincount(population_B[self.positive[:, k]], minlength=n_pops)
            share_P = n_positive_P / np.maximum(n_P, 1)
            rho_P = self.rho[:, k]
            right[:, m] = np.where(rho_P > 0, share_P, 1 - share_P)
            right[(rho_P == 0) | (n_P < FEWEST), m] = np.nan
        return right

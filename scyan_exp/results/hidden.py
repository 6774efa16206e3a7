"""Groups of cells that stand apart within the population they were given.

Where the table lacks a population, its cells go to the row that is most like it. They have
positive markers of that row, contradict one of its entries, and are a group of their own at that
marker: within the row's cells a gap parts them from the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scyan_exp.data.cells_doubts import find_modes

#: Share of all cells below which no group is looked for, and cells below which a population is
#: not looked at.
LEAST_SHARE, FEWEST_CELLS = 0.01, 100


@dataclass(frozen=True)
class Group:
    """Cells that may be of a population which the table lacks.

    Attributes:
        population: index of the row that they were given.
        marker: index of the marker that sets them apart.
        share: of all cells.
        of_row: of the cells that were given the row.
        gap: 0 where nothing parts them from the others, 1 where no cell lies between.
    """

    population: int
    marker: int
    share: float
    of_row: float
    gap: float

    @property
    def weight(self) -> float:
        """What the verdict judges: many cells behind a shallow gap, or fewer behind a clear one."""
        return self.share * self.gap


def hidden_groups(
    rho_PM: np.ndarray, x_BM: np.ndarray, population_B: np.ndarray, threshold_M: np.ndarray
) -> tuple[Group, ...]:
    """The groups, those first that weigh most.

    Cells that have none of the other positive markers of their row do not count: debris and cells
    of no row, of which good data have many.

    Args:
        rho_PM: the table, NaN where not known.
        x_BM: inputs of the model.
        population_B: indices of the populations given.
        threshold_M: what parts the negative cells from the positive ones; NaN where nothing does.
    """
    said_PM = np.where(np.isfinite(threshold_M), np.sign(np.nan_to_num(rho_PM)), 0)
    positive_BM = x_BM > threshold_M
    parts_M = (said_PM > 0).any(axis=0) & (said_PM < 0).any(axis=0)
    found = []
    for p, said_M in enumerate(said_PM):
        cells = np.flatnonzero(population_B == p)
        if len(cells) < FEWEST_CELLS:
            continue
        positive_NM = positive_BM[cells]
        typical_NM = positive_NM & parts_M & (said_M > 0)
        n_typical_N = typical_NM.sum(axis=1)
        for m in np.flatnonzero(said_M):
            is_other_N = positive_NM[:, m] != (said_M[m] > 0)
            group_N = is_other_N & (n_typical_N > typical_NM[:, m])
            if group_N.sum() < LEAST_SHARE * len(x_BM):
                continue
            of_row, gap = _apart(x_BM[cells, m], group_N, float(said_M[m]))
            share = of_row * len(cells) / len(x_BM)
            if share >= LEAST_SHARE:
                found.append(Group(p, int(m), share, of_row, gap))
    return tuple(sorted(found, key=lambda one: -one.weight))


def _apart(x_N: np.ndarray, group_N: np.ndarray, said: float) -> tuple[float, float]:
    """Share of the cells that are of the group and beyond a gap, and how clear the gap is."""
    modes = find_modes(x_N)
    if modes is None:
        return 0.0, 0.0
    is_beyond_N = (x_N > modes.threshold) != (said > 0)
    return float((group_N & is_beyond_N).mean()), 1 - modes.valley

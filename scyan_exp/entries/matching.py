"""How well cells match the rows of a table, while its entries are corrected one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from scyan_exp.entries.effects import FEWEST, Annotated, Effect
from scyan_exp.metrics.sampling import sample
from scyan_exp.metrics.sides import MOST_CELLS

#: A blank of a row counts as so much of a contradiction: a row that says more of a cell goes before
#: one that says less. It is log(0.95 / 0.5) / log(0.95 / 0.05), if a known entry holds for 95% of
#: the cells of its row, and a blank for half of them.
BLANK = 0.2
#: A cell matches a row wholly if it contradicts none of its entries, by exp(-2) if it contradicts
#: one, and so on: two wrong entries of a row are seen one after the other.
STRICT = 2.0
#: A row is without cells if this share of them matches it, or less. Some cells match any row.
STRAYS = 0.002


class Matching:
    """B cells beside P rows.

    Args:
        cells: annotated by the unchanged table.

    Attributes:
        n_cells: B.
        table: the unchanged table.
        wrong_BP: (B, P) how many entries of each row each cell contradicts; a part of one at a
            marker without a gap.
        blanks_P: (P,) what the blanks of each row count as.
    """

    def __init__(self, cells: Annotated) -> None:
        some = sample(len(cells.x), MOST_CELLS)
        self.n_cells, self.table = len(some), cells.table
        side_BM = _sides(cells, some)
        self._is_told_M = ~np.isnan(side_BM).all(axis=0)
        self._side_BM = np.nan_to_num(side_BM, nan=0.5)
        rho_PM = np.where(self._is_told_M, np.nan_to_num(cells.table.rho), 0)
        self.wrong_BP = self._side_BM @ (rho_PM < 0).T + (1 - self._side_BM) @ (rho_PM > 0).T
        # Any cell would match a row of which nothing is told: as good as contradicted everywhere.
        self.wrong_BP[:, (rho_PM == 0).all(axis=1)] = len(self._is_told_M) + 1
        self.blanks_P = BLANK * ((rho_PM == 0) & self._is_told_M).sum(axis=1)

    def is_told(self, effect: Effect) -> bool:
        """Whether cells can be said to contradict an entry."""
        return bool(effect.edit.before) and bool(self._is_told_M[self._place(effect)[1]])

    def without_cells(self) -> set[str]:
        """Rows that hardly any cell matches: each contradicts an entry, or another row less."""
        least_B1 = self.wrong_BP.min(axis=1, keepdims=True)
        matched_BP = (self.wrong_BP < 0.5) & (self.wrong_BP == least_B1)
        rows = np.flatnonzero(matched_BP.mean(axis=0) <= STRAYS)
        return {self.table.populations[p] for p in rows}

    def less_wrong(self, effects: Sequence[Effect]) -> tuple[np.ndarray, np.ndarray]:
        """What the opposite sign of some entries of one row does.

        Returns:
            (B,) how much less each cell contradicts this row than the one that it matches best as
            the rows stand, and (B,) the entries of the row that it then contradicts.
        """
        p, wrong_B = self._turned(effects)
        return self._least - wrong_B - self.blanks_P[p], wrong_B

    def lost(self, effects: Sequence[Effect]) -> float:
        """Share of the cells that match a row only without a correction."""
        p, wrong_B = self._turned(effects)
        best_B, next_B = self._least_two.T
        others_B = np.where(self.wrong_BP[:, p] > best_B, best_B, next_B)
        less_B = np.exp(-STRICT * best_B) - np.exp(-STRICT * np.minimum(others_B, wrong_B))
        return float(less_B.clip(0).mean())

    def correct(self, effects: Sequence[Effect]) -> None:
        """Give some entries of one row the opposite sign."""
        p, wrong_B = self._turned(effects)
        self.wrong_BP[:, p] = wrong_B
        self.__dict__.pop("_least", None)
        self.__dict__.pop("_least_two", None)

    @cached_property
    def _least(self) -> np.ndarray:
        """(B,) what each cell contradicts of the row that it matches best, blanks counted."""
        return np.asarray((self.wrong_BP + self.blanks_P).min(axis=1))

    @cached_property
    def _least_two(self) -> np.ndarray:
        """(B, 2) entries contradicted of the row that fits best, and of the next best one."""
        none_B1 = np.full((self.n_cells, 1), np.inf)
        return np.partition(np.hstack([self.wrong_BP, none_B1]), 1, axis=1)[:, :2]

    def _turned(self, effects: Sequence[Effect]) -> tuple[int, np.ndarray]:
        """A row, and how many of its entries each cell contradicts with the opposite signs."""
        p = self._place(effects[0])[0]
        wrong_B = self.wrong_BP[:, p]
        for one in effects:
            side_B = self._side_BM[:, self._place(one)[1]]
            wrong_B = wrong_B + np.sign(one.edit.before or 0) * (2 * side_B - 1)
        return p, wrong_B

    def _place(self, effect: Effect) -> tuple[int, int]:
        edit = effect.edit
        return self.table.populations.index(edit.population), self.table.markers.index(edit.marker)


def _sides(cells: Annotated, some: np.ndarray) -> np.ndarray:
    """(B, M) 0 for cells on the - side of a marker, 1 on the + side; NaN where it cannot be said.

    Without a gap, the way from the mean of the populations with - to that of those with +.
    """
    x_BM, sides = cells.x[some], cells.sides
    side_BM = np.full(x_BM.shape, np.nan)
    for m, rho_P in enumerate(cells.table.rho.T):
        if m in sides.usable:
            side_BM[:, m] = x_BM[:, m] > sides.thresholds[sides.usable.index(m)]
            continue
        minus, plus = (
            cells.x[np.isin(cells.population, np.flatnonzero(sign * rho_P > 0)), m]
            for sign in (-1, 1)
        )
        if min(len(minus), len(plus)) >= FEWEST and (way := plus.mean() - minus.mean()) > 0:
            side_BM[:, m] = np.clip((x_BM[:, m] - minus.mean()) / way, 0, 1)
    return side_BM

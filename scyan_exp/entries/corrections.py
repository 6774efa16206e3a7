"""Which entries of a table contradict the cells, and which of them to correct first.

The order was chosen on entries flipped on purpose: ``benchmarks/NOTES.md`` has what was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scyan_exp.entries.effects import FEWEST, Annotated, Effect
from scyan_exp.metrics.sampling import sample
from scyan_exp.metrics.sides import MOST_CELLS

#: How far on the other side of a marker cells are when its entry is said to contradict them.
CONTRADICTS = 0.5
#: A blank of a row counts as so much of a contradiction: a row that says more of a cell goes before
#: one that says less. It is log(0.95 / 0.5) / log(0.95 / 0.05), if a known entry holds for 95% of
#: the cells of its row, and a blank for half of them.
BLANK = 0.2
#: A cell matches a row wholly if it contradicts none of its entries, by exp(-2) if it contradicts
#: one, and so on: two wrong entries of a row are seen one after the other.
STRICT = 2.0
#: How much less a cell must contradict before it speaks for a correction.
CLEARLY_LESS = 0.25
#: Cells that no longer match a row speak against a correction so many times as loudly as those
#: that match one now speak for it. Cells of both signs rather lack a row than share a wrong one.
LOST_COUNTS = 3


@dataclass(frozen=True)
class Correction:
    """An entry that contradicts the cells which the rest of its row finds.

    Attributes:
        effect: what making it blank did.
        gained: share of the cells that match a row best with the opposite sign.
        lost: share of the cells that match a row only without it.
    """

    effect: Effect
    gained: float
    lost: float

    @property
    def score(self) -> float:
        """What speaks for it."""
        return self.gained - LOST_COUNTS * self.lost


def corrections(effects: Sequence[Effect], cells: Annotated) -> list[Correction]:
    """The entries that contradict the cells, the best to correct first.

    Where one entry is wrong, its cells match no row, and each entry that keeps them out of a row
    near by seems wrong too. So each cell speaks for one correction only: that by which it matches a
    row best. The entry with most cells stands first; the second one has most cells once the first
    is corrected, and so on. Entries that gain nothing stand last, by how far the cells are on the
    other side. The loss has no say: it differs by more between the epochs at which two runs end
    than by the removal of a wrong entry.

    Args:
        effects: of the edits; fillings are passed over.
        cells: annotated by the unchanged table.
    """
    left = sorted((one for one in effects if one.opposite > CONTRADICTS), key=_by_side)
    matching, found = _Matching(cells), list[Correction]()
    while left:
        tried = matching.tried(left)
        scores = [one.score for one in tried]
        if max(scores) * matching.n_cells < FEWEST:
            return [*found, *tried]
        best = scores.index(max(scores))
        found.append(tried[best])
        matching.correct(left.pop(best))
    return found


def _by_side(effect: Effect) -> float:
    return -effect.opposite


class _Matching:
    """How well cells match rows, while entries are corrected one after the other."""

    def __init__(self, cells: Annotated) -> None:
        some = sample(len(cells.x), MOST_CELLS)
        self.n_cells, self.table = len(some), cells.table
        self.side_BM = _sides(cells, some)
        is_told_M = ~np.isnan(self.side_BM).all(axis=0)
        rho_PM = np.where(is_told_M, np.nan_to_num(cells.table.rho), 0)
        side_BM = np.nan_to_num(self.side_BM)
        self.wrong_BP = side_BM @ (rho_PM < 0).T + (1 - side_BM) @ (rho_PM > 0).T
        # Any cell would match a row of which nothing is told: as good as contradicted everywhere.
        self.wrong_BP[:, (rho_PM == 0).all(axis=1)] = len(is_told_M) + 1
        self.blanks_P = BLANK * ((rho_PM == 0) & is_told_M).sum(axis=1)

    def tried(self, effects: Sequence[Effect]) -> list[Correction]:
        """What the opposite sign of each entry would do."""
        rows, turned = zip(*(self._turned(one) for one in effects), strict=True)
        wrong_EB = np.stack(turned)
        least_B = (self.wrong_BP + self.blanks_P).min(axis=1)
        less_EB = least_B - wrong_EB - self.blanks_P[list(rows)][:, None]
        best_B = less_EB.max(axis=0)
        speaks_EB = (less_EB >= best_B - 1e-6) & (best_B > CLEARLY_LESS)
        vote_EB = np.where(speaks_EB, less_EB * np.exp(-STRICT * wrong_EB), 0)
        gained_E = (vote_EB / np.maximum(speaks_EB.sum(axis=0), 1)).mean(axis=1)
        return [
            Correction(effect, float(gained), self._lost(p, wrong_B))
            for effect, gained, p, wrong_B in zip(effects, gained_E, rows, turned, strict=True)
        ]

    def correct(self, effect: Effect) -> None:
        """Give an entry the opposite sign."""
        p, wrong_B = self._turned(effect)
        self.wrong_BP[:, p] = wrong_B
        self.__dict__.pop("least_two", None)

    @cached_property
    def least_two(self) -> np.ndarray:
        """(B, 2) entries contradicted of the row that fits best, and of the next best one."""
        none_B1 = np.full((len(self.wrong_BP), 1), np.inf)
        return np.partition(np.hstack([self.wrong_BP, none_B1]), 1, axis=1)[:, :2]

    def _lost(self, p: int, corrected_B: np.ndarray) -> float:
        least_B, next_B = self.least_two.T
        others_B = np.where(self.wrong_BP[:, p] > least_B, least_B, next_B)
        less_B = np.exp(-STRICT * least_B) - np.exp(-STRICT * np.minimum(others_B, corrected_B))
        return float(less_B.clip(0).mean())

    def _turned(self, effect: Effect) -> tuple[int, np.ndarray]:
        """A row, and how many of its entries each cell contradicts with the opposite sign."""
        edit = effect.edit
        p = self.table.populations.index(edit.population)
        side_B = self.side_BM[:, self.table.markers.index(edit.marker)]
        more_B = np.sign(edit.before or 0) * np.nan_to_num(2 * side_B - 1)
        return p, self.wrong_BP[:, p] + more_B


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

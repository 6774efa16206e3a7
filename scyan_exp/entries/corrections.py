"""Which entries of a table contradict the cells, and which of them to correct first."""

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
#: A cell matches a row wholly if it contradicts none of its entries, by exp(-2) if it contradicts
#: one, and so on: two wrong entries of a row are seen one after the other.
STRICT = 2.0
#: A cell that no longer matches a row speaks against a correction as loudly as so many cells that
#: match one now speak for it. Cells of both signs rather lack a row than share a wrong one.
LOST_COUNTS = 3


@dataclass(frozen=True)
class Correction:
    """An entry that contradicts the cells which the rest of its row finds.

    Attributes:
        effect: what making it blank did.
        gained: share of the cells that match a row only with the opposite sign.
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
    near by seems wrong too. So the first one is that whose correction lets most cells match a row,
    the second that which does so once the first is corrected, and so on. Entries that gain
    nothing stand last, by how far the cells are on the other side. The loss has no say: it
    differs by more between the epochs at which two runs end than by the removal of a wrong entry.

    Args:
        effects: of the edits; fillings are passed over.
        cells: annotated by the unchanged table.
    """
    left = sorted((one for one in effects if one.opposite > CONTRADICTS), key=_by_side)
    matching, found = _Matching(cells), list[Correction]()
    fewest = FEWEST / max(matching.n_cells, 1)
    while left:
        tried = [matching.tried(effect) for effect in left]
        scores = [one.score for one in tried]
        if max(scores) < fewest:
            return [*found, *tried]
        best = scores.index(max(scores))
        found.append(tried[best])
        matching.correct(left.pop(best))
    return found


def _by_side(effect: Effect) -> float:
    return -effect.opposite


class _Matching:
    """Which cells match a row, while entries are corrected one after the other."""

    def __init__(self, cells: Annotated) -> None:
        some = sample(len(cells.x), MOST_CELLS)
        self.n_cells, self.table = len(some), cells.table
        self.side_BM = _sides(cells, some)
        rho_PM = np.where(np.isnan(self.side_BM).all(axis=0), 0, np.nan_to_num(cells.table.rho))
        side_BM = np.nan_to_num(self.side_BM)
        self.wrong_BP = side_BM @ (rho_PM < 0).T + (1 - side_BM) @ (rho_PM > 0).T
        self.wrong_BP[:, (rho_PM == 0).all(axis=1)] = np.inf  # any cell matches these rows

    def tried(self, effect: Effect) -> Correction:
        """What the opposite sign of an entry would do."""
        p, corrected_B = self._corrected(effect)
        wrong_B, least_two = self.wrong_BP[:, p], self.least_two
        others_B = np.where(wrong_B > least_two[:, 0], *least_two.T)
        before_B, after_B = (
            np.exp(-STRICT * np.minimum(others_B, row_B)) for row_B in (wrong_B, corrected_B)
        )
        more_B = after_B - before_B
        gained, lost = more_B.clip(0).mean(), (-more_B).clip(0).mean()
        return Correction(effect, float(gained), float(lost))

    def correct(self, effect: Effect) -> None:
        """Give an entry the opposite sign."""
        p, corrected_B = self._corrected(effect)
        self.wrong_BP[:, p] = corrected_B
        self.__dict__.pop("least_two", None)

    @cached_property
    def least_two(self) -> np.ndarray:
        """(B, 2) entries contradicted of the row that fits best, and of the next best one."""
        none_B1 = np.full((len(self.wrong_BP), 1), np.inf)
        return np.partition(np.hstack([self.wrong_BP, none_B1]), 1, axis=1)[:, :2]

    def _corrected(self, effect: Effect) -> tuple[int, np.ndarray]:
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

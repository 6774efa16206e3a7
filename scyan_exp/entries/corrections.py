"""Which entries of a table contradict the cells, and which of them to correct first.

The order was chosen on entries flipped on purpose: ``benchmarks/NOTES.md`` has what was tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby

import numpy as np

from scyan_exp.data.phenotypes import is_defined
from scyan_exp.data.population_names import said_by_name
from scyan_exp.entries.effects import FEWEST, Annotated, Effect
from scyan_exp.entries.matching import STRICT, Matching

#: How far on the other side of a marker cells are when its entry is said to contradict them.
CONTRADICTS = 0.5
#: Below it, the cells agree with the entry.
AGREES = 0.25
#: How much less a cell must contradict before it speaks for a correction.
CLEARLY_LESS = 0.25
#: Cells that no longer match a row speak against a correction so many times as loudly as those
#: that match one now speak for it. Cells of both signs rather lack a row than share a wrong one.
LOST_COUNTS = 3
#: Two entries that get the opposite sign together must explain so many times as many cells as any
#: single one, and this share of all: cells that lack a row match one of which enough is changed.
PAIR_EXPLAINS, PAIR_FEWEST = 1.5, 0.004


@dataclass(frozen=True)
class Correction:
    """An entry that contradicts the cells.

    Attributes:
        effect: what making it blank did. Its ``opposite`` is NaN if the rest of the row finds no
            cells to tell by.
        gained: share of the cells that match a row best with the opposite sign.
        lost: share of the cells that match a row only without it.
        together: the other entry of the row, where only both together give it cells.
        said: why the name of the population speaks against the entry; empty if it does not.
    """

    effect: Effect
    gained: float
    lost: float
    together: Effect | None = None
    said: str = ""

    @property
    def score(self) -> float:
        """What speaks for it."""
        return self.gained - LOST_COUNTS * self.lost


def corrections(effects: Sequence[Effect], cells: Annotated) -> list[Correction]:
    """The entries that contradict the cells, the best to correct first.

    Entries that disagree with the names of their populations go before all others.

    Where one entry is wrong, its cells match no row, and each entry that keeps them out of a row
    near by seems wrong too. So each cell speaks for one correction only: that by which it matches a
    row best. The entry with most cells stands first; the second one has most cells once the first
    is corrected, and so on. Entries that gain nothing stand last, by how far the cells are on the
    other side. The loss has no say: it differs by more between the epochs at which two runs end
    than by the removal of a wrong entry.

    Of some entries making them blank tells nothing, as of those of a row without cells. They are
    listed only if cells speak for them; and where no single one gives its row cells, two wrong ones
    may hide each other, so pairs are tried. An entry that the name of its population says stands
    last.

    Args:
        effects: of the edits; fillings are passed over.
        cells: annotated by the unchanged table.
    """
    matching = Matching(cells)
    found = list(_against_names(effects, matching))
    corrected = [one.effect for one in found]
    left = [one for one in effects if one not in corrected]
    contradict = sorted((one for one in left if one.opposite > CONTRADICTS), key=_by_side)
    named = [one for one in contradict if not _is_said(one)]
    last = [Correction(one, 0.0, matching.lost([one])) for one in contradict if _is_said(one)]
    told, untold = {one.edit.population for one in named}, _untold(left, matching)
    while True:
        hiding = matching.without_cells() - told
        votes = _Votes(matching, named, [one for one in untold if _is_rival(one, hiding)])
        best = votes.best_pair(hiding) or votes.best_single()
        if not best:
            return [*found, *votes.single[: len(named)], *last]
        found += best
        corrected = [one.effect for one in best]
        matching.correct(corrected)
        named = [one for one in named if one not in corrected]
        untold = [one for one in untold if one not in corrected]


def _untold(effects: Sequence[Effect], matching: Matching) -> list[Effect]:
    """Entries that may be wrong although their trainings do not say so."""
    blanked = (one for one in effects if one.edit.is_blanked)
    found = (one for one in blanked if not (one.opposite > CONTRADICTS or one.opposite < AGREES))
    return sorted(
        (one for one in found if matching.is_told(one) and not _is_said(one)), key=_by_name
    )


def _is_rival(effect: Effect, hiding: set[str]) -> bool:
    """Whether an entry of which its training says nothing may be wrong all the same.

    Where the name of a row tells the cells, the signs of their definition are known, and any
    other may be wrong. Else only rows without cells are doubted: with so little that is sure, some
    cells speak against many right entries.
    """
    row = effect.edit.population
    return is_defined(row) or (np.isnan(effect.opposite) and row in hiding)


def _against_names(effects: Sequence[Effect], matching: Matching) -> Iterator[Correction]:
    """Entries against the names of their populations, corrected one after the other."""
    why = {one: said for one in effects if one.edit.is_blanked and (said := _said_against(one))}
    while why:
        best = max(_Votes(matching, list(why), []).single, key=_by_score)
        matching.correct([best.effect])
        yield replace(best, said=why.pop(best.effect))


def _said_against(effect: Effect) -> str:
    said = said_by_name(effect.edit.population, effect.edit.marker)
    return said.why if said and said.sign * (effect.edit.before or 0) < 0 else ""


def _is_said(effect: Effect) -> bool:
    """Whether an entry is what the name of its population says."""
    said = said_by_name(effect.edit.population, effect.edit.marker)
    return said is not None and said.sign * (effect.edit.before or 0) > 0


def _by_side(effect: Effect) -> float:
    return -effect.opposite


def _by_name(effect: Effect) -> tuple[str, str]:
    return effect.edit.population, effect.edit.marker


class _Votes:
    """What cells say for corrections, each cell for one.

    Args:
        matching: the rows, as they have been corrected.
        named: entries that contradict the cells.
        untold: entries that may be wrong all the same, by their rows.

    Attributes:
        single: the entries alone, in their order.
    """

    def __init__(
        self, matching: Matching, named: Sequence[Effect], untold: Sequence[Effect]
    ) -> None:
        self.matching, self.untold = matching, untold
        effects = [*named, *untold]
        tried = [matching.less_wrong([one]) for one in effects]
        self._most_B = np.full(matching.n_cells, CLEARLY_LESS)
        for less_B, _ in tried:
            np.maximum(self._most_B, less_B, out=self._most_B)
        votes = [self._votes(*one) for one in tried]
        n_B = np.maximum(np.sum([vote_B > 0 for vote_B in votes], axis=0), 1)
        lost = [matching.lost([one]) for one in effects]
        self.single = [
            Correction(effect, float((vote_B / n_B).mean()), share)
            for effect, vote_B, share in zip(effects, votes, lost, strict=True)
        ]
        alone = (
            vote_B.mean() - LOST_COUNTS * share for vote_B, share in zip(votes, lost, strict=True)
        )
        self._explained = max(alone, default=0.0)

    def best_single(self) -> tuple[Correction, ...]:
        """The entry for which most cells speak; nothing if hardly any do."""
        best = max(self.single, key=_by_score, default=None)
        return (best,) if best is not None and self._is_enough(best) else ()

    def best_pair(self, hiding: set[str]) -> tuple[Correction, ...]:
        """Two entries of a row that explain much more together than any entry alone.

        Args:
            hiding: rows without cells, of which no entry is told.
        """
        rows = self._without_single(hiding)
        pairs = (self._pair(a, b) for row in rows for a, b in combinations(row, 2))
        best = max(pairs, key=lambda pair: pair[0].score, default=())
        least = max(PAIR_EXPLAINS * self._explained, PAIR_FEWEST)
        return best if best and best[0].score > least else ()

    def _without_single(self, rows: set[str]) -> Iterator[list[Effect]]:
        """The entries of each row that none of them alone gives cells."""
        enough = {one.effect.edit.population for one in self.single if self._is_enough(one)}
        untold = (one for one in self.untold if np.isnan(one.opposite))
        by_row = groupby(untold, key=lambda one: one.edit.population)
        return (list(entries) for row, entries in by_row if row in rows - enough)

    def _pair(self, a: Effect, b: Effect) -> tuple[Correction, Correction]:
        vote_B = self._votes(*self.matching.less_wrong([a, b]))
        gained, lost = float(vote_B.mean()), self.matching.lost([a, b])
        return Correction(a, gained, lost, together=b), Correction(b, gained, lost, together=a)

    def _votes(self, less_B: np.ndarray, wrong_B: np.ndarray) -> np.ndarray:
        """(B,) what each cell says for a correction, if no single entry suits it better."""
        return np.where(less_B >= self._most_B - 1e-6, less_B * np.exp(-STRICT * wrong_B), 0)

    def _is_enough(self, one: Correction) -> bool:
        return one.score * self.matching.n_cells >= FEWEST


def _by_score(one: Correction) -> float:
    return one.score

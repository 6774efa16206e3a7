"""Signs, without labels, of whether an annotation can be trusted.

At each marker with two groups of cells a threshold parts them (:func:`find_modes`), so a cell is
negative or positive there without asking the model. A row's entries can then be held against the
cells that were given it, against the cells that match no other row, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from scyan_exp.data.cells_doubts import FEWEST_CELLS, HARDLY_ANY
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.metrics.agreement import table_agreement
from scyan_exp.metrics.sampling import sample
from scyan_exp.metrics.sides import FEWEST, MOST_CELLS, Sides
from scyan_exp.module.prior import PriorDistribution
from scyan_exp.results.annotation import LOG_PROB_THRESHOLD as UNFIT
from scyan_exp.results.hidden import Group, hidden_groups

# UNFIT is the default of ``predict.log_prob_th``, not what a run says: the limit of this sign was
# chosen at it, and an annotation is no worse because more of its cells are left out.
#: Width of the modes in the first guess: the default of the model.
PRIOR_STD = 0.3


@dataclass(frozen=True)
class Signs:
    """What speaks for and against an annotation of N cells. NaN where there is nothing to tell.

    Attributes:
        n_all: N.
        n_cells: (P,) cells given each population.
        wrong: share of the entries, over cells, on whose other side the cell is.
        avoidable: share of the cells that contradict more entries of the row they were given
            than of another one.
        kept: share that were given the row, of the cells that fit one best.
        unmatched: share of the cells that match no row at all.
        unfit: share of the cells that no population fits (``log p(u | z)`` below -50).
        fall: agreement with the table of a first guess, without training, less the annotation's.
            The guess gives cells to testable rows only.
        gained: (P,) share of the cells given each population, less that of the first guess.
        matching: (P,) share of the cells that match each row.
        testable: (P,) rows with a sign at a marker that parts the cells. The others no cell can
            contradict: they do not count as matched, and their cells are not judged.
        right: (P, M) share of the cells given a population that are on the side of a marker
            that its entry says.
        judged: (P, M) entries that cells may contradict: the marker parts the cells clearly, or
            has populations with cells on both sides; and this population has enough cells.
        contradictions: (P, M) whether the cells given a population are on the other side.
        groups: of cells that stand apart within their population, those first that weigh most.
    """

    n_all: int
    n_cells: np.ndarray
    wrong: float
    avoidable: float
    kept: float
    unmatched: float
    unfit: float
    fall: float
    gained: np.ndarray
    matching: np.ndarray
    testable: np.ndarray
    right: np.ndarray
    judged: np.ndarray
    contradictions: np.ndarray
    groups: tuple[Group, ...] = ()

    @property
    def hidden(self) -> float:
        """The weight of the first group: its share of all cells, less where the gap is shallow."""
        return max((group.weight for group in self.groups), default=0.0)

    @cached_property
    def contradicted(self) -> float:
        """Share of the cells whose population has an entry that its cells contradict."""
        has_one_P = self.contradictions.any(axis=1)
        return float(self.n_cells[has_one_P].sum() / max(self.n_all, 1))

    @property
    def empty(self) -> np.ndarray:
        """(P,) populations without cells."""
        return np.asarray(self.n_cells == 0)

    @property
    def hardly_matched(self) -> np.ndarray:
        """(P,) rows that hardly any cell matches, where there are enough cells to tell."""
        return np.asarray((self.matching < HARDLY_ANY) & (self.n_all >= FEWEST_CELLS))

    def numbers(self) -> dict[str, float]:
        """Those that are one number, by name."""
        names = ["wrong", "avoidable", "kept", "unmatched", "contradicted", "unfit", "fall"]
        names.append("hidden")
        return {name: float(getattr(self, name)) for name in names}


def signs_of(
    table: KnowledgeTable,
    x_NM: np.ndarray,
    population_N: np.ndarray,
    log_prob_N: np.ndarray,
    batch_N: Sequence[str] | None = None,
) -> Signs:
    """The signs of an annotation.

    Args:
        table: P populations by M markers.
        x_NM: (N, M) model inputs.
        population_N: (N,) population indices.
        log_prob_N: (N,) log p(u | z) of them.
        batch_N: batches, if there are any. Hidden groups are looked for without the differences
            between their means: a gap within a population is blurred by them.
    """
    n_pops, n_cells = len(table.populations), len(x_NM)
    some = sample(n_cells, MOST_CELLS)
    x_BM, population_B = np.asarray(x_NM[some], np.float32), population_N[some]
    sides = Sides.of(table.rho, x_BM)
    wrong_BP = sides.n_wrong
    own_B = wrong_BP[np.arange(len(x_BM)), population_B]
    n_known_P = (sides.rho != 0).sum(axis=1)
    guess_B = _first_guess(table, x_BM, sides.is_testable)
    right_PM = sides.right(population_B)
    beyond_PM, compared_PM = _beyond_middle(table, x_BM, population_B)
    batch_B = None if batch_N is None else np.asarray(batch_N)[some]
    return Signs(
        n_all=n_cells,
        n_cells=np.bincount(population_N, minlength=n_pops),
        wrong=_ratio(own_B.sum(), n_known_P[population_B].sum()),
        avoidable=sides.avoidable(population_B),
        kept=sides.kept(population_B),
        unmatched=sides.unmatched(population_B),
        unfit=float((~(log_prob_N >= UNFIT)).mean()),  # NaN fits nothing
        fall=table_agreement(x_BM, guess_B, table.rho)
        - table_agreement(x_BM, population_B, table.rho),
        gained=_shares(population_B, n_pops) - _shares(guess_B, n_pops),
        matching=(wrong_BP == 0).mean(axis=0),
        testable=sides.is_testable,
        right=right_PM,
        judged=compared_PM | (np.isfinite(right_PM) & sides.is_clear),
        contradictions=beyond_PM | ((right_PM < 0.5) & sides.is_clear),
        groups=_groups(table, x_BM, population_B, sides, batch_B),
    )


def _first_guess(table: KnowledgeTable, x_BM: np.ndarray, testable_P: np.ndarray) -> np.ndarray:
    """(B,) the most probable populations under the prior of an untrained identity flow.

    Of testable rows, if there are any: the others would draw cells through their blanks.
    """
    rows = np.flatnonzero(testable_P) if testable_P.any() else np.arange(len(testable_P))
    rho = torch.as_tensor(table.rho[rows], dtype=torch.float32)
    prior = PriorDistribution(rho, torch.zeros(rho.shape[1]), PRIOR_STD, rho.shape[1])
    return rows[np.asarray(prior.log_prob(torch.as_tensor(x_BM)).argmax(dim=1))]


def _shares(population_B: np.ndarray, n_pops: int) -> np.ndarray:
    return np.bincount(population_B, minlength=n_pops) / max(len(population_B), 1)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan


def _groups(
    table: KnowledgeTable,
    x_BM: np.ndarray,
    population_B: np.ndarray,
    sides: Sides,
    batch_B: np.ndarray | None,
) -> tuple[Group, ...]:
    """Groups that stand apart at markers whose modes a gap parts.

    The middle between populations is no gap: a cut through one mode leaves a half of it "apart".
    """
    if batch_B is not None:
        x_BM = _without_batches(x_BM, batch_B)
        sides = Sides.of(table.rho, x_BM)
    threshold_M = np.full(x_BM.shape[1], np.nan)
    threshold_M[sides.usable] = sides.thresholds
    return hidden_groups(table.rho, x_BM, population_B, threshold_M)


def _without_batches(x_BM: np.ndarray, batch_B: np.ndarray) -> np.ndarray:
    """Inputs with the same means in every batch."""
    x_BM, mean_M = x_BM.copy(), x_BM.mean(axis=0)
    for batch in np.unique(batch_B):
        of_batch_B = batch_B == batch
        x_BM[of_batch_B] += mean_M - x_BM[of_batch_B].mean(axis=0)
    return x_BM


def _middles(
    table: KnowledgeTable, x_NM: np.ndarray, population_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(M,) half-way between the cells whose populations have + and -; (P, M) means of populations.

    NaN where there are too few cells on either side.
    """
    n_P = np.bincount(population_N, minlength=len(table.rho))
    sums = [np.bincount(population_N, x_N, len(table.rho)) for x_N in x_NM.T.astype(float)]
    sum_PM = np.stack(sums, axis=1)
    middle_M = np.full(x_NM.shape[1], np.nan)
    for m, rho_P in enumerate(table.rho.T):
        plus, minus = rho_P > 0, rho_P < 0
        if n_P[plus].sum() >= FEWEST and n_P[minus].sum() >= FEWEST:
            means = [sum_PM[side, m].sum() / n_P[side].sum() for side in (plus, minus)]
            middle_M[m] = sum(means) / 2
    return middle_M, sum_PM / np.maximum(n_P, 1)[:, None]


def _beyond_middle(
    table: KnowledgeTable, x_NM: np.ndarray, population_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(P, M) twice: a population's mean is on the wrong side of the middle; it has been told."""
    middle_M, mean_PM = _middles(table, x_NM, population_N)
    n_P = np.bincount(population_N, minlength=len(table.rho))
    said_PM = np.sign(np.nan_to_num(table.rho))
    told_PM = np.isfinite(middle_M) & (said_PM != 0) & (n_P >= FEWEST)[:, None]
    return told_PM & ((mean_PM - middle_M) * said_PM < 0), told_PM

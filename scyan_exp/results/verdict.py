"""The verdict on an annotation: whether to use it, why, and what to do.

It is decided by signs that need no labels (:mod:`scyan_exp.results.signs`), each with a limit
beyond which no right annotation of the shared data lay. ``docs/trust.md`` has the calibration:
how often the verdict was right, over good trainings, bad ones, and ones spoilt on purpose.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from scyan_exp.config.objectives import METRICS
from scyan_exp.data.population_names import against_names
from scyan_exp.errors import listed

if TYPE_CHECKING:  # a report reads verdicts, and has no use for torch
    from scyan_exp.data.table import KnowledgeTable
    from scyan_exp.results.hidden import Group
    from scyan_exp.results.signs import Signs


class Level(StrEnum):
    """What to do with an annotation."""

    GOOD = "good"
    LOOK = "look at these populations"
    DO_NOT_USE = "do not use"


@dataclass(frozen=True)
class Limit:
    """From where on a sign speaks against an annotation, and from where on loudly.

    Attributes:
        look: beyond it, an annotation is not good.
        refuse: beyond it, it should not be used.
        text: what is wrong, in words; ``{}`` is the value of the sign.
        advice: what to do.
    """

    look: float
    refuse: float
    text: str
    advice: str


_TABLE = "look at the table (scyan-exp check)"
_TRAINING = "try repeats=5, another seed, or fill blanks of the table"
_TRANSFORM = "check dataset.transform and dataset.cofactor, and whether a population is missing"
#: Limits by the name of a sign. ``kept`` is better when high; the others when low.
LIMITS = {
    "wrong": Limit(0.052, 0.15, "{} of the entries are contradicted by the cells", _TABLE),
    "avoidable": Limit(0.1, 0.3, "{} of the cells fit another row better, by sign", _TRAINING),
    "kept": Limit(0.88, 0.6, "of the cells that fit one row best, {} were given it", _TRAINING),
    "unmatched": Limit(0.3, 0.6, "{} of the cells match no row", _TRANSFORM),
    "contradicted": Limit(
        0.05, 0.5, "{} of the cells are in populations whose row they contradict", _TABLE
    ),
    "unfit": Limit(0.05, 0.5, "{} of the cells fit no population", _TRANSFORM),
    "fall": Limit(
        0.03, 0.15, "training lost {} of the agreement with the table", "fill blanks of the table"
    ),
    "hidden": Limit(
        0.014,
        0.14,
        "a population may be missing in the table: {}",
        "add a row for these cells, or correct the entry",
    ),
}
#: Of fewer cells too little is known to call an annotation good.
FEWEST_CELLS = 1000
#: A population whose share grew by this much, through blanks, is named.
GAINED = 0.1
#: Mean agreement of repeats below which they tell different stories.
DISAGREEMENT = 0.9


@dataclass(frozen=True)
class Verdict:
    """Whether to use an annotation.

    Attributes:
        level: the verdict.
        reasons: why it is not good, and what to do; a sentence each.
        populations: what there is to look at, by population; the largest first.
        signs: the numbers behind it.
    """

    level: Level
    reasons: list[str]
    populations: dict[str, list[str]] = field(default_factory=dict)
    signs: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For ``result.json``."""
        values = {"verdict": self.level.value, "reasons": self.reasons}
        return {**values, "populations": self.populations, "signs": self.signs}

    def summary(self) -> dict[str, Any]:
        """For a dashboard: ``trust/...``; only numbers that could be told, and no metric again."""
        told = {
            name: value
            for name, value in self.signs.items()
            if math.isfinite(value) and name not in METRICS
        }
        values = {"verdict": self.level.value, "reasons": " ".join(self.reasons), **told}
        return {f"trust/{name}": value for name, value in values.items()}


def judge(
    table: KnowledgeTable,
    signs: Signs,
    *,
    is_finished: bool = True,
    agreement: float | None = None,
) -> Verdict:
    """The verdict on an annotation.

    Args:
        table: the table.
        signs: of the annotation.
        is_finished: whether the training ended because there was nothing more to gain.
        agreement: mean agreement of repeats on the cells, 0 to 1; None for a single training.
    """
    numbers = signs.numbers()
    beyond = {name: limit for name, limit in LIMITS.items() if _is_beyond(name, limit.look, signs)}
    reasons = [_sentence(name, limit, table, signs) for name, limit in beyond.items()]
    reasons += _other_reasons(table, signs, is_finished, agreement)
    level = Level.LOOK if reasons else Level.GOOD
    if any(_is_beyond(name, limit.refuse, signs) for name, limit in beyond.items()):
        level = Level.DO_NOT_USE
    return Verdict(level, reasons, _remarks(table, signs), numbers)


def _is_beyond(name: str, limit: float, signs: Signs) -> bool:
    value = signs.numbers()[name]
    return bool(value < limit) if name == "kept" else bool(value > limit)


def _sentence(name: str, limit: Limit, table: KnowledgeTable, signs: Signs) -> str:
    value = signs.numbers()[name]
    shown = f"{value:.2f}" if name == "fall" else f"{value:.0%}"
    if name == "hidden":
        group = signs.groups[0]
        population = table.populations[group.population]
        shown = f"of {population} {_apart(table, group)} ({group.share:.1%} of all cells)"
    return f"{limit.text.format(shown)}: {limit.advice}"


def _apart(table: KnowledgeTable, group: Group) -> str:
    """What sets a group of a population's cells apart."""
    said, are = _words(table.rho[group.population, group.marker])
    marker = table.markers[group.marker]
    return f"{group.of_row:.0%} of the cells stand apart, {are} at {marker}, the row says {said}"


def _other_reasons(
    table: KnowledgeTable, signs: Signs, is_finished: bool, agreement: float | None
) -> Iterator[str]:
    if signs.n_all < FEWEST_CELLS:
        yield f"{signs.n_all:,} cells are too few to tell: compare several seeds (repeats=5)"
    for which, text in (
        (signs.empty, "no cell was given to"),
        (signs.hardly_matched & ~signs.empty, "hardly any cell matches the row of"),
    ):
        names = [name for name, is_one in zip(table.populations, which, strict=True) if is_one]
        if names:
            yield f"{text} {listed(names, limit=5)}: are they in the sample, and their rows right?"
    against = sorted({one.row for one in against_names(table)})
    if against:
        rows = listed([table.populations[p] for p in against], limit=5)
        yield f"the names and entries of {rows} disagree: correct one or the other"
    if not is_finished:
        yield "the last epoch was the best: train longer (trainer.max_epochs)"
    if agreement is not None and agreement < DISAGREEMENT:
        yield f"the repeats agree on {agreement:.0%} of the cells: see figures/agreement.png"


def _words(rho: float) -> tuple[str, str]:
    """The sign of an entry, and the opposite one."""
    return ("+", "-") if rho > 0 else ("-", "+")


def contradiction(marker: str, rho: float) -> str:
    """The remark on an entry that its cells contradict."""
    said, are = _words(rho)
    return f"{marker} is {said} in the table, {are} in its cells"


def _remarks(table: KnowledgeTable, signs: Signs) -> dict[str, list[str]]:
    """What there is to look at, by population."""
    found = {}
    by_name = defaultdict[int, list[str]](list)
    for one in against_names(table):
        said, _ = _words(table.rho[one.row, one.column])
        by_name[one.row].append(
            f"{table.markers[one.column]} is {said} in the table; {one.said.why}"
        )
    for p in np.argsort(-signs.n_cells, kind="stable"):
        remarks = [*by_name[int(p)], *_remarks_on(table, signs, int(p))]
        if remarks:
            found[table.populations[p]] = remarks
    return found


def _remarks_on(table: KnowledgeTable, signs: Signs, p: int) -> Iterator[str]:
    if signs.empty[p]:
        yield "no cells"
    elif signs.hardly_matched[p]:
        yield "hardly any cell matches its row"
    elif not signs.testable[p]:
        yield "not judged: its row has no sign at a marker with a gap"
    for m in np.flatnonzero(signs.contradictions[p]):
        yield contradiction(table.markers[m], table.rho[p, m])
    for group in signs.groups:
        if group.population == p and group.weight > LIMITS["hidden"].look:
            yield _apart(table, group)
    blank_P = np.isnan(table.rho).mean(axis=1)
    fell = signs.fall > LIMITS["fall"].look
    if fell and signs.gained[p] > GAINED and blank_P[p] >= np.median(blank_P):
        yield f"gained {signs.gained[p]:.0%} of all cells, through blanks of its row"

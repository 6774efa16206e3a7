"""Edits of a knowledge table, an entry each, and the overrides that make them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.settings import EntriesSettings
from scyan_exp.errors import InputError, near_matches


@dataclass(frozen=True)
class Edit:
    """One entry of a table, changed.

    Attributes:
        population: its row.
        marker: its column.
        before: what the table says; None for a blank.
        after: what it says in this job; None for a blank.
    """

    population: str
    marker: str
    before: float | None
    after: float | None

    @property
    def is_blanked(self) -> bool:
        """Whether a known entry was made blank."""
        return self.after is None

    def override(self, *, is_another: bool = False) -> str:
        """What is typed to make this edit.

        Args:
            is_another: whether the config has edits already, which stay.
        """
        value = "null" if self.after is None else f"{self.after:g}"
        add = "++" if is_another else ""
        return f"{add}table.set={{{_key(self.population)}:{{{_key(self.marker)}:{value}}}}}"

    def __str__(self) -> str:
        return f"{self.population} {self.marker} {shown(self.before)} -> {shown(self.after)}"


def shown(value: float | None) -> str:
    """An entry as people read it."""
    return "blank" if value is None else f"{value:g}"


def edits_of(table: KnowledgeTable, settings: EntriesSettings) -> list[Edit]:
    """All edits that the settings ask for, row by row.

    Raises:
        InputError: unknown populations or markers, nothing to change, or names that an override
            cannot hold.
    """
    rows, markers = settings.rows or table.populations, settings.markers or table.markers
    problems = [
        *_unknown("rows", "population", rows, table.populations),
        *_unknown("markers", "marker", markers, table.markers),
    ]
    if problems:
        raise InputError(problems, where="config")
    edits = [
        edit
        for p, population in enumerate(table.populations)
        for m, marker in enumerate(table.markers)
        if population in rows and marker in markers
        for edit in _of_entry(population, marker, float(table.rho[p, m]), settings)
    ]
    if not edits:
        what = " and ".join({"blank": "known", "fill": "blank"}[kind] for kind in settings.kinds)
        raise InputError(
            f"hydra.sweeper: the chosen part of the table has no {what} entries; "
            "choose other rows, markers or kinds",
            where="config",
        )
    problems = [*_unspeakable("population", edits), *_unspeakable("marker", edits)]
    if problems:
        raise InputError(problems, where="table")
    return edits


def _of_entry(
    population: str, marker: str, value: float, settings: EntriesSettings
) -> Iterator[Edit]:
    if np.isnan(value):
        if "fill" in settings.kinds:
            yield Edit(population, marker, None, -1.0)
            yield Edit(population, marker, None, 1.0)
    elif "blank" in settings.kinds:
        yield Edit(population, marker, value, None)


def _unknown(key: str, what: str, names: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield (
                f"hydra.sweeper.{key}: {name!r} is no {what} of the table."
                f"{near_matches(name, known)}"
            )


def _unspeakable(what: str, edits: Sequence[Edit]) -> Iterator[str]:
    """Names that do not survive the grammar of overrides, such as those with Greek letters."""
    for name in dict.fromkeys(getattr(edit, what) for edit in edits):
        if _read_back(name) != name:
            yield f"{what} {name!r}: an override cannot hold this name; rename it in the table"


def _read_back(name: str) -> Any:
    try:
        parsed = OverridesParser.create().parse_override(f"key={{{_key(name)}:1}}").value()
    except HydraException:
        return None
    return next(iter(parsed)) if isinstance(parsed, dict) else None


def _key(name: str) -> str:
    r"""A name as a key in Hydra's grammar: ``B (IgD+)`` becomes ``B \(IgD+\)``."""
    return re.sub(r"([\\()\[\]{}:=,])", r"\\\1", name)

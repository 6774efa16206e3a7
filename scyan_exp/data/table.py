"""The knowledge table: what is known of each population's markers."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.data.texts import read_text
from scyan_exp.errors import InputError, listed, near_matches

#: A column whose name starts with this holds population levels and is not a marker.
LEVEL_PREFIX = "level"
#: Spellings of "not known", in lower case.
UNKNOWN = {"", "na", "n/a", "nan", "none", "null"}
#: What people write in place of 1 and -1, in lower case.
MEANT = {"+", "++", "pos", "positive", "-", "--", "neg", "negative", "\N{MINUS SIGN}"}


@dataclass(frozen=True)
class KnowledgeTable:
    """Expected expressions of P populations on M markers.

    Attributes:
        populations: P names.
        markers: M names, as in the data.
        rho: (P, M) float64: -1 (negative), 1 (positive), any number between, NaN (not known).
        levels: for each level, the P names of the populations at that level.
    """

    populations: list[str]
    markers: list[str]
    rho: np.ndarray
    levels: dict[str, list[str]] = field(default_factory=dict)

    def edited(
        self, changes: Mapping[str, Mapping[str, float | None]], dropped: Sequence[str] = ()
    ) -> KnowledgeTable:
        """A new table: first some entries are changed, then some populations left out.

        Args:
            changes: new entries by population and marker; None for "not known".
            dropped: populations to leave out.

        Raises:
            InputError: populations or markers that are not in the table, or no population is left.
        """
        problems = [*self._unknown("table.set", changes), *self._unknown("table.drop", dropped)]
        problems += [
            f"table.set: {marker!r} of {population!r} is no marker of the table."
            f"{near_matches(marker, self.markers)}"
            for population, entries in changes.items()
            for marker in entries
            if marker not in self.markers
        ]
        kept = [p for p, name in enumerate(self.populations) if name not in dropped]
        if not kept:
            problems.append("table.drop: no population is left")
        if problems:
            raise InputError(problems)
        rho = self.rho.copy()
        for population, entries in changes.items():
            for marker, value in entries.items():
                at = self.populations.index(population), self.markers.index(marker)
                rho[at] = np.nan if value is None else value
        names = [self.populations[p] for p in kept]
        levels = {level: [each[p] for p in kept] for level, each in self.levels.items()}
        return KnowledgeTable(names, self.markers, rho[kept], levels)

    def _unknown(self, key: str, populations: Iterable[str]) -> list[str]:
        return [
            f"{key}: {name!r} is no population of the table.{near_matches(name, self.populations)}"
            for name in populations
            if name not in self.populations
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings, None where not known; undone by :meth:`from_dict`."""
        return {
            "populations": list(self.populations),
            "markers": list(self.markers),
            "rho": [[None if np.isnan(v) else float(v) for v in row] for row in self.rho],
            "levels": {name: list(values) for name, values in self.levels.items()},
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> KnowledgeTable:
        """The table that :meth:`to_dict` described."""
        rho = np.array(values["rho"], dtype=float).reshape(-1, len(values["markers"]))
        return cls(values["populations"], values["markers"], rho, values.get("levels", {}))


def load_table(path: str | Path) -> KnowledgeTable:
    """Read and check a knowledge table.

    The file is a CSV (comma, semicolon or tab) with a row per population: its name, then optional
    columns whose names start with ``level``, then a column per marker. An entry is -1, 1, any
    number between, or nothing (or NA) where the expression is not known.

    Raises:
        InputError: all problems of the file, each with its row and column.
    """
    path = Path(path).expanduser()
    header, rows = _read_rows(path)
    columns = _marker_columns(header, rows)
    levels = [i for i in columns if header[i].lower().startswith(LEVEL_PREFIX)]
    markers = [i for i in columns if i not in levels]

    problems = _structure_problems(header, rows, markers, levels)
    meant: list[str] = []
    rho = np.full((len(rows), len(markers)), np.nan)
    for p, (line, row) in enumerate(rows):
        for m, column in enumerate(markers):
            cell = row[column].strip() if column < len(row) else ""
            where = f"row {line} ({row[0].strip()}), column {header[column]}"
            if cell.lower() in MEANT:
                meant.append(f"{where} ({cell!r})")
                continue
            try:
                rho[p, m] = _parse_value(cell)
            except ValueError as error:
                problems.append(f"{where}: {error}")
    if meant:
        problems.append(
            "expected numbers from -1 to 1 or blanks: write 1 for + and positive, -1 for - and "
            f"negative, at {listed(meant, limit=3)}"
        )
    if rows and markers and np.isnan(rho).all() and not problems:
        problems.append("every value is NA: at least some markers must be known (-1 or 1)")
    if problems:
        raise InputError(problems, where=str(path))

    return KnowledgeTable(
        populations=[row[0].strip() for _, row in rows],
        markers=[header[i] for i in markers],
        rho=rho,
        levels={
            header[i]: [row[i].strip() if i < len(row) else "" for _, row in rows] for i in levels
        },
    )


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the rows that are not blank, each with its line number."""
    if not path.is_file():
        raise InputError("no such file. Set table.path to a knowledge table (CSV)", where=str(path))
    lines = read_text(path).splitlines()
    filled = [line for line in lines if line.strip()]
    if not filled:
        raise _empty(path)
    first = next((line for line in filled if not line.lstrip().startswith("#")), filled[0])
    separator = max(",;\t", key=first.count)
    reader = csv.reader(lines, delimiter=separator)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"not a CSV ({error}): is a quote not closed?", str(path)) from None
    if not rows:  # quotes and separators alone
        raise _empty(path)
    width = max(len(row) for _, row in rows)
    comments = [n for n, row in rows if row[0].lstrip().startswith("#") and len(row) < width]
    if comments:
        raise InputError(
            f"comments are not read: delete what begins with # in lines {listed(comments)}",
            where=str(path),
        )
    (_, header), *rows = rows
    return [name.strip() for name in header], rows


def _empty(path: Path) -> InputError:
    return InputError("the file is empty (expected a header and one row per population)", str(path))


def _marker_columns(header: list[str], rows: list[tuple[int, list[str]]]) -> list[int]:
    """The columns after the first, without the empty ones that spreadsheets leave at the end."""

    def is_blank(i: int) -> bool:
        return not header[i] and not any(i < len(row) and row[i].strip() for _, row in rows)

    return [i for i in range(1, len(header)) if not is_blank(i)]


def _structure_problems(
    header: list[str], rows: list[tuple[int, list[str]]], markers: list[int], levels: list[int]
) -> list[str]:
    problems = []
    if not rows:
        problems.append("no populations: expected one row per population below the header")
    if not markers:
        problems.append("no markers: expected one column per marker after the population names")
    problems += [f"column {i + 1} has values but no marker name" for i in markers if not header[i]]
    for marker, n in Counter(header[i] for i in markers if header[i]).items():
        if n > 1:
            problems.append(f"marker {marker!r} is in {n} columns: keep one of them")
    for level, n in Counter(header[i] for i in levels).items():
        if n > 1:
            problems.append(f"level {level!r} is in {n} columns: rename or drop all but one")
    for line, row in rows:
        if not row[0].strip():
            problems.append(f"row {line} has no population name")
        if any(cell.strip() for cell in row[len(header) :]):
            problems.append(f"row {line} has {len(row)} cells, the header {len(header)}")
    for population, n in Counter(row[0].strip() for _, row in rows).items():
        if population and n > 1:
            lines = [str(line) for line, row in rows if row[0].strip() == population]
            problems.append(
                f"population {population!r} is in rows {', '.join(lines)}: keep one of them"
            )
    return problems


def _parse_value(cell: str) -> float:
    if cell.lower() in UNKNOWN:
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"expected a number from -1 to 1 or blank, found {cell!r}") from None
    if not -1 <= value <= 1:
        raise ValueError(f"expected a number from -1 to 1 or blank, found {cell}")
    return value

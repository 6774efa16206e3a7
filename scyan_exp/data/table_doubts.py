"""What looks wrong about a knowledge table, before any cell is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from scyan_exp.data.population_names import Against, against_names
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import listed

#: So many entries of a row or column against the names speak of the whole of it.
MANY = 3


def table_doubts(table: KnowledgeTable) -> list[str]:
    """What in a table will mislead a training, and deserves a warning at the start of a run."""
    return [
        *_no_negatives(table),
        *_rows_without_knowledge(table),
        *_equal_rows(table),
        *_entries_against_names(table),
    ]


def table_remarks(table: KnowledgeTable) -> list[str]:
    """What may be right but is worth a look; for people who ask with ``scyan-exp check``."""
    return [
        *_markers_without_knowledge(table),
        *_one_sided_markers(table),
        *_rows_parted_by_a_blank(table),
    ]


def _no_negatives(table: KnowledgeTable) -> list[str]:
    """The common mistake of writing 0 for "negative"."""
    known = table.rho[~np.isnan(table.rho)]
    if (known < 0).any() or not (known == 0).any():
        return []
    return [
        "there is no -1, and there are 0s: 0 means half-way between negative and positive. "
        "Write -1 where a population does not express a marker, and leave blank what is not known"
    ]


def _rows_without_knowledge(table: KnowledgeTable) -> list[str]:
    known = ~np.isnan(table.rho)
    return [
        f"nothing is known of population {name!r}: cells of any kind will go there. Fill its "
        "row, or drop it"
        for name, row in zip(table.populations, known, strict=True)
        if not row.any()
    ]


def _equal_rows(table: KnowledgeTable) -> list[str]:
    doubts: list[str] = []
    seen: dict[tuple[float, ...], str] = {}
    for name, values in zip(table.populations, np.nan_to_num(table.rho, nan=9.0), strict=True):
        twin = seen.setdefault(tuple(values), name)
        if twin != name:
            doubts.append(
                f"populations {twin!r} and {name!r} have the same row: their cells cannot be "
                "told apart. Add a marker that parts them, or make them one"
            )
    return doubts


def _entries_against_names(table: KnowledgeTable) -> list[str]:
    """A line a row or column with many of them, and one for each of the others."""
    against = list(against_names(table))
    in_row = Counter(one.row for one in against)
    rows = [p for p, n in in_row.items() if n >= MANY]
    others = [one for one in against if one.row not in rows]
    in_column = Counter(one.column for one in others)
    columns = [m for m, n in in_column.items() if n >= MANY]
    return [
        *(_row_against_its_name(table, p, [one for one in against if one.row == p]) for p in rows),
        *(
            _column_against_names(table, m, [one for one in others if one.column == m])
            for m in columns
        ),
        *(
            f"population {table.populations[one.row]!r}, marker {table.markers[one.column]!r}: "
            f"{one.said.why}, the entry is {table.rho[one.row, one.column]:g}. Correct the entry "
            "or the name"
            for one in others
            if one.column not in columns
        ),
    ]


def _row_against_its_name(table: KnowledgeTable, p: int, against: Sequence[Against]) -> str:
    markers = listed([table.markers[one.column] for one in against], limit=5)
    return (
        f"population {table.populations[p]!r}: {markers} have the opposite sign of what the name "
        f"says (for the first, {against[0].said.why}). Is this the row of other cells?"
    )


def _column_against_names(table: KnowledgeTable, m: int, against: Sequence[Against]) -> str:
    names = listed([table.populations[one.row] for one in against], limit=3)
    return (
        f"marker {table.markers[m]!r}: {names} have the opposite sign of what their names say (for "
        f"the first, {against[0].said.why}). Is this the column of another marker?"
    )


def _markers_without_knowledge(table: KnowledgeTable) -> list[str]:
    """Columns that nobody has filled in: many in a table that ``scyan-exp new`` has just made."""
    is_known = (~np.isnan(table.rho)).any(axis=0)
    blank = [repr(name) for name, known in zip(table.markers, is_known, strict=True) if not known]
    if not blank:
        return []
    markers, are = ("marker", "is") if len(blank) == 1 else ("markers", "are")
    return [
        f"{markers} {listed(blank, limit=30)} {are} blank in every row: fill in what you know, "
        "and drop the columns of which you know nothing"
    ]


def _one_sided_markers(table: KnowledgeTable) -> list[str]:
    remarks = []
    for name, column in zip(table.markers, table.rho.T, strict=True):
        known = column[~np.isnan(column)]
        if len(set(known)) == 1:
            missing = "1 or -1" if known[0] == 0 else f"{-np.sign(known[0]):g}"
            is_whole = len(known) == len(column)
            rest = "it parts no populations" if is_whole else f"no row says {missing}"
            remarks.append(f"marker {name!r} is {known[0]:g} wherever it is known: {rest}")
        elif len(known) and not (known > 0).any():
            remarks.append(f"marker {name!r} has no 1: no population expresses it")
        elif len(known) and not (known < 0).any():
            remarks.append(f"marker {name!r} has no -1: every population expresses it")
    return remarks


def _rows_parted_by_a_blank(table: KnowledgeTable) -> list[str]:
    """Pairs of rows that differ only where one is blank: their cells may be confused."""
    known = ~np.isnan(table.rho)
    remarks = []
    for p, q in combinations(range(len(table.populations)), 2):
        both = known[p] & known[q]
        if not both.any() or (table.rho[p] != table.rho[q])[both].any():
            continue
        only = [known[p] & ~known[q], known[q] & ~known[p]]
        if not (only[0] | only[1]).any():
            continue  # equal rows
        markers = [name for m, name in enumerate(table.markers) if (only[0] | only[1])[m]]
        remarks.append(
            f"populations {table.populations[p]!r} and {table.populations[q]!r} differ only where "
            f"one of them is blank: a value at {listed(markers, limit=5)} would part them"
        )
    return remarks

"""Columns of a result that would have the same name."""

from __future__ import annotations

from collections.abc import Collection

from scyan_exp.errors import listed
from scyan_exp.results.columns import (
    added_columns,
    doubtful_columns,
    index_problems,
    key_problems,
)
from scyan_exp.run.annotating.ways import Task


def name_problems(
    task: Task,
    columns: Collection[str],
    *,
    earlier: str | None = None,
    index: str = "",
    numbers: Collection[str] = (),
) -> list[str]:
    """What is wrong with the names of columns.

    Args:
        task: the file, and what is known about it.
        columns: names of the file's columns.
        earlier: the column of an earlier annotation, which may be replaced.
        index: the column with the names of the cells.
        numbers: columns, besides the markers, that metadata may not replace.
    """
    annotator = task.annotator
    members = [one.name for one in annotator.members] if len(annotator.members) > 1 else []
    added = added_columns(annotator.settings.key_added, annotator.table.levels, members)
    roles = {
        **dict.fromkeys(added, "a column that the annotation adds"),
        **dict.fromkeys([*annotator.markers, *numbers], "a marker of the cells"),
        index: "the column with the names of the cells",
    }
    problems = key_problems(annotator.settings, columns, annotator.table, earlier)
    problems += index_problems(added, index)
    return problems + [
        f"metadata: its column {name!r} would overwrite {roles[name]}: rename it"
        for name in task.known
        if name in roles
    ]


def earlier_doubts(columns: Collection[str], key: str, members: Collection[str] = ()) -> list[str]:
    """Warnings about columns of an earlier annotation that is replaced.

    Args:
        columns: names of the file's columns.
        key: the column of the populations.
        members: the names of the earlier annotation's members, as far as they are known.
    """
    found = doubtful_columns(columns, key, members)
    if not found:
        return []
    return [
        f"it was annotated before, by a consensus: {listed(found)} may be the populations of its "
        "members. They stay as they are"
    ]

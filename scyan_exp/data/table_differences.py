"""How two knowledge tables differ, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import listed

#: The most entries that are named.
MANY_ENTRIES = 5


def table_differences(one: KnowledgeTable, other: KnowledgeTable) -> list[str]:
    """How one table differs from another; nothing if populations, markers and values are equal.

    Args:
        one: the table that is described.
        other: the table that it is compared with.
    """
    names = [
        *_of_names("row", one.populations, other.populations),
        *_of_names("marker", one.markers, other.markers),
    ]
    return names or _of_entries(one, other)


def _of_names(what: str, one: list[str], other: list[str]) -> list[str]:
    more = [name for name in one if name not in other]
    less = [name for name in other if name not in one]
    found = [f"has {what}s {listed(more)} besides"] if more else []
    found += [f"lacks {what}s {listed(less)}"] if less else []
    if not found and one != other:
        found.append(f"has the {what}s in another order")
    return found


def _of_entries(one: KnowledgeTable, other: KnowledgeTable) -> list[str]:
    differ = ~np.isclose(one.rho, other.rho, rtol=0, atol=0, equal_nan=True)
    texts = list(_entries(one, other, differ))
    return [f"has other entries: {listed(texts, limit=MANY_ENTRIES)}"] if texts else []


def _entries(one: KnowledgeTable, other: KnowledgeTable, differ: np.ndarray) -> Iterator[str]:
    for p, m in np.argwhere(differ):
        name = f"{one.populations[p]} at {one.markers[m]}"
        yield f"{name} is {_shown(one.rho[p, m])}, not {_shown(other.rho[p, m])}"


def _shown(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:g}"

"""Mistakes that people make in tables and with cells, made on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scyan_exp.data.table import KnowledgeTable

Spoil = Callable[[KnowledgeTable, np.random.Generator], KnowledgeTable]


def _swap_markers(table: KnowledgeTable, rng: np.random.Generator) -> KnowledgeTable:
    """Two columns change places: of the pairs, one of the fifth with the most different entries."""
    rho = np.nan_to_num(table.rho)
    n = len(table.markers)
    pairs = [(np.abs(rho[:, i] - rho[:, j]).sum(), i, j) for i in range(n) for j in range(i)]
    pairs = sorted(pairs, reverse=True)[: max(1, len(pairs) // 5)]
    _, i, j = pairs[rng.integers(len(pairs))]
    swapped = table.rho.copy()
    swapped[:, [i, j]] = swapped[:, [j, i]]
    return replace(table, rho=swapped)


def _turn_markers(table: KnowledgeTable, rng: np.random.Generator) -> KnowledgeTable:
    """All columns move on by one, as after a blank column in a spreadsheet."""
    return replace(table, rho=np.roll(table.rho, 1, axis=1))


def _flip_entries(table: KnowledgeTable, rng: np.random.Generator) -> KnowledgeTable:
    """Three known entries have the wrong sign."""
    known = np.argwhere(np.nan_to_num(table.rho) != 0)
    rho = table.rho.copy()
    for p, m in known[rng.choice(len(known), 3, replace=False)]:
        rho[p, m] *= -1
    return replace(table, rho=rho)


def _flip_row(table: KnowledgeTable, rng: np.random.Generator) -> KnowledgeTable:
    """A whole row has the wrong signs."""
    rho = table.rho.copy()
    rho[rng.integers(len(rho))] *= -1
    return replace(table, rho=rho)


def _remove_row(table: KnowledgeTable, rng: np.random.Generator) -> KnowledgeTable:
    """A population is missing."""
    return table.edited({}, [table.populations[rng.integers(len(table.populations))]])


SPOILT_TABLES: dict[str, Spoil] = {
    "two markers swapped": _swap_markers,
    "columns moved by one": _turn_markers,
    "three wrong signs": _flip_entries,
    "a row of wrong signs": _flip_row,
    "a population removed": _remove_row,
}
#: Overrides for cells that are not transformed, or not as they should.
RAW = ["dataset.transform=none", "dataset.check_range=false"]
SPOILT_CELLS: dict[str, list[str]] = {
    "no transform": RAW,
    "cofactor x 200": ["dataset.transform=asinh", "dataset.cofactor={large}"],
    "cofactor / 200": ["dataset.transform=asinh", "dataset.cofactor={small}"],
}


def without(table: KnowledgeTable, population: str) -> KnowledgeTable:
    """The table without one of its rows."""
    return table.edited({}, [population])

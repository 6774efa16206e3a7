"""Columns of ``annotated.h5ad``, read without the cells themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scyan_exp.report.numbers import rounded
from scyan_exp.results.columns import AGREEMENT, key_of
from scyan_exp.run.folder import RunFolder

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Column:
    """A column of categories.

    Attributes:
        codes: (N,) index of each cell's category, -1 for none.
        categories: their names.
    """

    codes: np.ndarray
    categories: list[str]

    def counts(self, names: Sequence[str]) -> np.ndarray:
        """(P,) number of cells of each name."""
        found = np.bincount(self.codes[self.codes >= 0], minlength=len(self.categories))
        number = dict(zip(self.categories, found.tolist(), strict=True))
        return np.array([number.get(name, 0) for name in names], int)

    def as_codes_of(self, names: Sequence[str]) -> np.ndarray:
        """(N,) index of each cell's category among other names, -1 for none of them."""
        position = {name: i for i, name in enumerate(names)}
        of_code = np.array([*(position.get(name, -1) for name in self.categories), -1], np.int16)
        return of_code[self.codes]


def read_populations(folder: Path) -> Column | None:
    """The populations of a run's cells; None if it has annotated none that can be read."""
    import h5py

    try:
        with h5py.File(RunFolder(folder).annotated, "r") as file:
            return column(file, key_of(file))
    except (OSError, KeyError, RuntimeError):  # damaged, or of another program
        return None


def names_of_some(folder: Path, most: int = 100) -> list[str]:
    """Names of some cells, evenly spaced, to tell whether two runs have the same ones."""
    import h5py

    try:
        with h5py.File(RunFolder(folder).annotated, "r") as file:
            names = file["obs"][file["obs"].attrs["_index"]]
            some = np.unique(np.linspace(0, len(names) - 1, most).astype(int))
            return _texts(names[some]) if len(names) else []
    except (OSError, KeyError, RuntimeError):
        return []


def agreements(folder: Path) -> list[dict[str, Any]]:
    """Mean agreement of the trainings on each population's cells, the lowest first.

    None are told of a single training.
    """
    import h5py

    try:
        with h5py.File(RunFolder(folder).annotated, "r") as file:
            cells, agreement_N = column(file, key_of(file)), numbers(file, AGREEMENT)
    except (OSError, KeyError, RuntimeError):
        return []
    if cells is None or agreement_N is None:
        return []
    is_of = {name: cells.codes == p for p, name in enumerate(cells.categories)}
    found = [
        {"name": name, "agreement": rounded(float(agreement_N[own].mean()))}
        for name, own in is_of.items()
        if own.any()
    ]
    return sorted(found, key=lambda one: one["agreement"])


def column(file: h5py.File, name: str) -> Column | None:
    """A column of ``obs``; None if there is none of categories or text under this name."""
    import h5py

    found = file["obs"].get(name)
    if isinstance(found, h5py.Group) and "codes" in found:
        return Column(found["codes"][:].astype(int), _texts(found["categories"]))
    if isinstance(found, h5py.Dataset) and h5py.check_string_dtype(found.dtype):
        categories, codes = np.unique(found.asstr()[:], return_inverse=True)
        return Column(codes, [str(one) for one in categories])
    return None


def numbers(file: h5py.File, name: str) -> np.ndarray | None:
    """A column of numbers of ``obs``, (N,); None if there is none under this name."""
    import h5py

    found = file["obs"].get(name)
    if not isinstance(found, h5py.Dataset) or not np.issubdtype(found.dtype, np.number):
        return None
    return np.asarray(found[:], float)


def _texts(values: Any) -> list[str]:
    """Text, of an array or of a file."""
    return [one.decode() if isinstance(one, bytes) else str(one) for one in values[:]]

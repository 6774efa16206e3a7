"""Cells that were annotated before, read from any format that an annotation writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.data.fcs_categories import categories_of
from scyan_exp.data.fcs_text import read_text
from scyan_exp.data.file_kinds import CSV, FCS, H5AD, PARQUET, csv_files, parquet_files
from scyan_exp.data.reading import read_cells
from scyan_exp.data.sources import existing_file
from scyan_exp.data.table import LEVEL_PREFIX
from scyan_exp.errors import InputError, listed
from scyan_exp.results import columns

if TYPE_CHECKING:
    import h5py

#: Suffixes of the files that are read.
SUFFIXES = (*H5AD, *CSV, *PARQUET, *FCS)


@dataclass(frozen=True)
class OnDisk:
    """The part of the cells that is needed, as AnnData would read all of ``obs`` and ``obsm``.

    Attributes:
        X: (N, M) expressions, in an open file.
        n_obs: the number N of cells.
        var_names: names of the M markers.
    """

    X: Any
    n_obs: int
    var_names: pd.Index

    @property
    def n_vars(self) -> int:
        """M markers."""
        return len(self.var_names)


@dataclass(frozen=True, repr=False)
class AnnotatedCells:
    """The N cells of a file.

    Attributes:
        path: the file.
        cells: their expressions: an AnnData, or an object with its ``X``, ``n_obs`` and names.
        obs: N rows, with the columns that were asked for and exist.
        names: names of all columns that describe cells.
        populations: names of P populations.
        codes: (N,) index of each cell's population, -1 for unannotated cells.
        levels: for each level of the table, the populations' names there; blank where there is
            none.
        table: the populations of the table that annotated the cells, if the file says it.
    """

    path: Path
    cells: Any
    obs: pd.DataFrame
    names: list[str]
    populations: list[str]
    codes: np.ndarray
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    table: frozenset[str] | None = None


def read_annotated(path: Path, needed: Collection[str], stack: ExitStack) -> AnnotatedCells:
    """Read annotated cells; expressions of ``.h5ad`` files stay on disk.

    Args:
        path: the file.
        needed: columns that are asked for.
        stack: closes the file at its end.

    Raises:
        InputError: it cannot be read, or its cells are not annotated.
    """
    path = existing_file(path, "the folder of a run, or a file that was annotated")
    suffix = path.suffix.lower()
    for suffixes, read in _READERS.items():
        if suffix in suffixes:
            return read(path, needed, stack)
    raise InputError(
        f"expected a file whose name ends in one of {', '.join(SUFFIXES)}", where=str(path)
    )


def _not_annotated(path: Path, names: Sequence[str], key: str = columns.DEFAULT_KEY) -> InputError:
    return InputError(
        f"the cells have no column {key!r}: expected cells that a run or scyan-exp annotate has "
        f"annotated. They have: {listed(names) or 'none'}",
        where=str(path),
    )


def _read_h5ad(path: Path, needed: Collection[str], stack: ExitStack) -> AnnotatedCells:
    from scyan_exp.data.h5ad_file import open_h5ad

    try:
        file = stack.enter_context(open_h5ad(path))
    except OSError as error:
        raise InputError(f"not an .h5ad file ({error})", where=str(path)) from error
    try:
        return _of_h5ad(path, file, needed)
    except InputError:
        raise
    except (OSError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"not annotated cells ({error})", where=str(path)) from error


def _of_h5ad(path: Path, file: h5py.File, needed: Collection[str]) -> AnnotatedCells:
    import h5py
    from anndata.io import read_elem, sparse_dataset

    key, about = columns.key_of(file), file["obs"]
    names = [str(name) for name in about.attrs["column-order"]]
    if key not in names:
        raise _not_annotated(path, names, key)
    wanted = [one for one in names if one in needed or one == key or _level_of(one, key)]
    n_obs = len(about[about.attrs["_index"]])
    # All columns together may be larger than memory.
    obs = pd.DataFrame({one: read_elem(about[one]) for one in wanted}, pd.RangeIndex(n_obs))
    x, var = file["X"], file["var"]
    markers = pd.Index(read_elem(var[var.attrs["_index"]]))
    cells = OnDisk(sparse_dataset(x) if isinstance(x, h5py.Group) else x, n_obs, markers)
    table, levels = _said(file)
    return _annotated(path, cells, obs, names, key, table, levels)


def _said(file: h5py.File) -> tuple[list[str], dict[str, dict[str, str]]]:
    """What an annotation also wrote: the table's populations, and their names at its levels.

    Files of earlier versions do not have it.
    """
    from anndata.io import read_elem

    uns = file.get("uns", {})
    if columns.POPULATIONS not in uns:
        return [], {}
    table = [str(name) for name in read_elem(uns[columns.POPULATIONS])]
    found: dict[str, Any] = read_elem(uns[columns.LEVELS]) if columns.LEVELS in uns else {}
    levels = {
        level: dict(zip(table, map(str, names), strict=True))
        for level, names in found.items()
        if len(names) == len(table)
    }
    return table, levels


def _read_rows(path: Path, needed: Collection[str], stack: ExitStack) -> AnnotatedCells:
    """Read a CSV or a Parquet file: every unknown column of numbers is a marker."""
    kind = csv_files([]) if path.suffix.lower() in CSV else parquet_files([])
    names = [one[0] for one in kind.peek(path).columns]
    key = columns.DEFAULT_KEY
    if key not in names:
        raise _not_annotated(path, names)
    described = [one for one in names if one in needed or _is_added(one, key)]
    adata = read_cells(path, obs_columns=described)
    obs = adata.obs.reset_index(drop=True)
    obs[key] = _as_names(obs[key])
    return _annotated(path, adata, obs, [str(name) for name in obs], key)


def _as_names(column: pd.Series) -> pd.Series:
    """Names of populations. Numbers lose the ``.0`` that they have if others are missing."""
    if not pd.api.types.is_float_dtype(column) or (column.dropna() % 1 != 0).any():
        return column
    return column.astype("Int64").astype("string")


def _is_added(name: str, key: str) -> bool:
    """Whether a column was added by an annotation."""
    prefixes = (key, columns.CONFIDENCE, columns.PROBA, columns.CORRECTED)
    return name in (key, *columns.FIXED) or name.startswith(tuple(f"{one}_" for one in prefixes))


def _read_fcs(path: Path, needed: Collection[str], stack: ExitStack) -> AnnotatedCells:
    """Read an FCS file, whose keywords say which channel has the populations."""
    text, adata = read_text(path), read_cells(path)
    names = [str(name) for name in adata.var_names]
    found = [one for one in names if text.exact(f"{one} 0") == columns.NOT_ANNOTATED]
    if not found:
        raise _not_annotated(path, names)
    key, populations = found[0], categories_of(text, found[0])
    codes_N = np.asarray(adata.X[:, names.index(key)], np.int64) - 1
    if codes_N.max(initial=-1) >= len(populations):
        largest = int(codes_N.max()) + 1
        raise InputError(
            f"channel {key!r} has population number {largest}, which its keywords do not name",
            where=str(path),
        )
    obs = pd.DataFrame({one: adata.X[:, names.index(one)] for one in names if one in needed})
    kept = [i for i, one in enumerate(names) if not _is_added(one, key)]
    obs = obs.set_axis(pd.RangeIndex(adata.n_obs)) if len(obs.columns) else obs
    obs = obs.reindex(pd.RangeIndex(adata.n_obs))
    table = frozenset(populations)
    return AnnotatedCells(path, adata[:, kept], obs, names, populations, codes_N, {}, table)


def _annotated(
    path: Path,
    cells: Any,
    obs: pd.DataFrame,
    names: list[str],
    key: str,
    table: Sequence[str] = (),
    said: Mapping[str, Mapping[str, str]] | None = None,
) -> AnnotatedCells:
    """The annotated cells, given the column of their populations.

    Args:
        path: the file.
        cells: their expressions.
        obs: the columns of populations and levels, and others.
        names: names of all columns.
        key: the column of the population.
        table: the populations of the table, if known.
        said: their names at its levels, if known. They are looked up by name, as the column's
            categories may have been reordered.
    """
    column = obs[key].astype("category")
    populations = [str(name) for name in column.cat.categories]
    codes_N = column.cat.codes.to_numpy(int)
    of_cells = {
        level: _names_at(codes_N, obs[name], populations)
        for name in map(str, obs)
        if (level := _level_of(name, key))
    }
    levels = {
        level: {**of_cells.get(level, {}), **(said or {}).get(level, {})}
        for level in dict.fromkeys([*(said or {}), *of_cells])
    }
    is_table = set(populations) <= set(table)
    own = frozenset(table) if is_table and table else None
    return AnnotatedCells(path, cells, obs, names, populations, codes_N, levels, own)


def _level_of(name: str, key: str) -> str | None:
    """The level of the table that a column holds; None for any other column."""
    level = name.removeprefix(f"{key}_")
    is_level = level != name and level.lower().startswith(LEVEL_PREFIX)
    return level if is_level else None


def _names_at(codes_N: np.ndarray, column: pd.Series, populations: list[str]) -> dict[str, str]:
    """The name of each population at a level, read from its cells; blank without cells."""
    pairs = pd.DataFrame({"code": codes_N, "name": column}).drop_duplicates("code")
    pairs = pairs[(pairs["code"] >= 0) & pairs["name"].notna()]
    return {populations[p]: str(one) for p, one in zip(pairs["code"], pairs["name"], strict=True)}


_READERS: dict[tuple[str, ...], Callable[[Path, Collection[str], ExitStack], AnnotatedCells]] = {
    H5AD: _read_h5ad,
    CSV: _read_rows,
    PARQUET: _read_rows,
    FCS: _read_fcs,
}

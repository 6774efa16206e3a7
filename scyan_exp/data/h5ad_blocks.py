"""An ``.h5ad`` file read a block of rows at a time: neither X nor ``obs`` is in memory as a whole.

``anndata`` leaves X on disk but loads all of ``obs``: the names of 50 million cells alone take 4
GB.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from scyan_exp.data.h5ad_file import open_h5ad
from scyan_exp.data.layers import find_layer
from scyan_exp.data.sources import existing_file
from scyan_exp.errors import InputError

#: What h5py, pandas and SciPy say of damaged parts.
_DAMAGE = (OSError, KeyError, RuntimeError, TypeError, ValueError)
#: Column types that allow missing values, by the kind of the values.
_MASKED = {"b": "boolean", "i": "Int64", "u": "UInt64", "f": "Float64", "O": "string"}


class H5adBlocks:
    """Cells of an ``.h5ad`` file; a context that closes it.

    Args:
        path: the file.
        layer: the layer with the expressions; None for X.

    Attributes:
        path: the file.
        n_cells: number of cells.
        names: names of the columns of X.
        columns: names of the columns of ``obs``.
        index: the name in ``obs`` of the column with the cells' names.
        has_expressions: whether there is an X.

    Raises:
        InputError: there is no such file, or it is not an ``.h5ad`` file of cells.
    """

    def __init__(self, path: str | Path, layer: str | None = None) -> None:
        self.path = existing_file(path, "an .h5ad file")
        self._layer = layer
        self._x: _Contiguous | _Dense | _Sparse | _SparseByColumns | None = None
        try:
            self.file = open_h5ad(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        try:
            self._open()
        except InputError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise _unreadable(self.path, error) from error

    def __enter__(self) -> H5adBlocks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._x, _Contiguous):
            self._x.close()
        self.file.close()

    def _open(self) -> None:
        for name in ("obs", "var"):
            if not isinstance(self.file.get(name), h5py.Group):
                raise InputError(
                    f"not an .h5ad file of anndata 0.7 or later: it has no group {name!r}. Read it "
                    "with anndata and write it again",
                    where=str(self.path),
                )
        self._obs: h5py.Group = self.file["obs"]
        self.columns = [str(name) for name in self._obs.attrs.get("column-order", [])]
        self.index = str(self._obs.attrs.get("_index", "_index"))
        x, var = self.file.get("X"), self.file["var"]
        if self._layer is not None:
            x, var = find_layer(self.file, self._layer, self.path)
        self.names = [str(name) for name in _strings(_index(var))]
        self.n_cells = _length(_index(self._obs))
        self._categories: dict[str, pd.Index] = {}
        if isinstance(x, h5py.Dataset) and x.shape is None:  # how anndata 0.12.0 writes no X
            x = None
        self.has_expressions = x is not None
        self._x = None if x is None else _expressions(x)
        shape = (self.n_cells, len(self.names))
        if self._x is not None and self._x.shape != shape:
            reason = f"X is {self._x.shape}, but there are {shape[0]} cells and {shape[1]} markers"
            raise InputError(f"a damaged .h5ad file: {reason}", where=str(self.path))

    @property
    def row_bytes(self) -> float:
        """Bytes of a row of X in memory."""
        return 0.0 if self._x is None else self._x.row_bytes

    @property
    def x_range(self) -> tuple[int, int] | None:
        """First byte and size of X in the file, if it lies there in one piece; else None."""
        is_x = self._layer is None and isinstance(self._x, _Contiguous)
        return self._x.range if is_x and isinstance(self._x, _Contiguous) else None

    def rows(self, start: int, stop: int) -> Any:
        """Rows of X as they are stored: an array (B, n_vars), or a sparse matrix.

        Raises:
            InputError: they cannot be read.
        """
        assert self._x is not None
        try:
            return self._x.rows(start, stop)
        except _DAMAGE as error:
            raise _unreadable(self.path, error) from error

    def obs(self, start: int, stop: int, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of ``obs``, cells ``start`` to ``stop``, numbered from 0.

        Raises:
            InputError: they cannot be read.
        """
        try:
            read = {name: self._column(name, slice(start, stop)) for name in columns}
            return pd.DataFrame(read, index=range(stop - start))
        except _DAMAGE as error:
            raise _unreadable(self.path, error) from error

    def cell_names(self, start: int, stop: int) -> np.ndarray:
        """The names of cells ``start`` to ``stop``.

        Raises:
            InputError: they cannot be read.
        """
        try:
            return _strings(_index(self._obs), slice(start, stop))
        except _DAMAGE as error:
            raise _unreadable(self.path, error) from error

    def _column(self, name: str, rows: slice) -> Any:
        item = self._obs[name]
        if "categories" in item.attrs or (isinstance(item, h5py.Group) and "codes" in item):
            return self._categorical(name, item, rows)
        if isinstance(item, h5py.Group):  # a mask says what is missing
            values = pd.Series(_strings(item["values"], rows))
            masked = values.astype(_MASKED[values.dtype.kind])
            return masked.mask(np.asarray(item["mask"][rows]))
        return _strings(item, rows)

    def _categorical(self, name: str, item: Any, rows: slice) -> pd.Categorical:
        is_group = isinstance(item, h5py.Group)
        if name not in self._categories:
            stored = item["categories"] if is_group else self.file[item.attrs["categories"]]
            self._categories[name] = pd.Index(_strings(stored))
        return pd.Categorical.from_codes(
            item["codes"][rows] if is_group else item[rows],
            categories=self._categories[name],
            ordered=bool(item.attrs.get("ordered", False)),
        )


class _Contiguous:
    """X in one piece: it is read without HDF5, whose lock would make other threads wait."""

    def __init__(self, x: h5py.Dataset) -> None:
        self.shape, self._dtype = x.shape, x.dtype
        self._row_bytes = int(np.prod(x.shape[1:])) * x.dtype.itemsize
        self.row_bytes = float(self._row_bytes)
        self.range = (x.id.get_offset(), self._row_bytes * x.shape[0])
        self._file = os.open(x.file.filename, os.O_RDONLY)

    def close(self) -> None:
        os.close(self._file)

    def rows(self, start: int, stop: int) -> np.ndarray:
        rows = np.empty((stop - start, *self.shape[1:]), self._dtype)
        view, done = memoryview(rows.data).cast("B") if rows.size else memoryview(b""), 0
        while done < len(view):
            at = self.range[0] + start * self._row_bytes + done
            n_read = os.preadv(self._file, [view[done:]], at)
            if n_read == 0:
                raise OSError("the file ends within X")
            done += n_read
        return rows


class _Dense:
    """X in pieces, such as a compressed one."""

    def __init__(self, x: h5py.Dataset) -> None:
        self.shape, self._x = x.shape, x
        self.row_bytes = float(int(np.prod(x.shape[1:])) * x.dtype.itemsize)

    def rows(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self._x[start:stop])


class _Sparse:
    """X sparse, by rows."""

    def __init__(self, x: h5py.Group) -> None:
        self.shape, self._x = _shape(x), x
        n_values = x["data"].shape[0]
        self.row_bytes = n_values / max(1, self.shape[0]) * 12
        if x["indptr"].shape[0] != self.shape[0] + 1 or x["indices"].shape[0] != n_values:
            raise ValueError("the parts of the sparse X do not fit together")

    def rows(self, start: int, stop: int) -> Any:
        from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

        ends = self._x["indptr"][start : stop + 1]
        low, high = int(ends[0]), int(ends[-1])
        parts = (self._x["data"][low:high], self._x["indices"][low:high], ends - low)
        rows = csr_matrix(parts, shape=(stop - start, self.shape[1]))
        rows.check_format(full_check=True)  # what it trusts leads SciPy out of its memory
        return rows


class _SparseByColumns:
    """X sparse, by columns: to be read by rows, it has to be in memory."""

    def __init__(self, x: h5py.Group) -> None:
        self.shape, self._x = _shape(x), x
        self._whole: Any = None
        self.row_bytes = x["data"].shape[0] / max(1, self.shape[0]) * 12

    def rows(self, start: int, stop: int) -> Any:
        from anndata.io import read_elem

        if self._whole is None:
            whole = read_elem(self._x)
            whole.check_format(full_check=True)
            self._whole = whole.tocsr()
        return self._whole[start:stop]


def _expressions(x: Any) -> _Contiguous | _Dense | _Sparse | _SparseByColumns:
    if isinstance(x, h5py.Group):
        encoding = x.attrs.get("encoding-type", x.attrs.get("h5sparse_format", ""))
        return _SparseByColumns(x) if str(encoding).startswith("csc") else _Sparse(x)
    if x.ndim != 2 or x.dtype.kind not in "fiub":
        raise ValueError(f"X is no matrix of numbers ({x.ndim} dimensions of {x.dtype})")
    in_one_piece = x.id.get_offset() is not None and not x.file.userblock_size
    return _Contiguous(x) if in_one_piece else _Dense(x)


def _shape(x: h5py.Group) -> tuple[int, int]:
    n_rows, n_columns = x.attrs["shape"] if "shape" in x.attrs else x.attrs["h5sparse_shape"]
    return int(n_rows), int(n_columns)


def _index(group: h5py.Group) -> Any:
    """The names of cells or markers."""
    return group[group.attrs.get("_index", "_index")]


def _length(item: Any) -> int:
    stored = item["values"] if isinstance(item, h5py.Group) else item
    return int(stored.shape[0])


def _strings(item: Any, rows: slice = slice(None)) -> Any:
    """A column as it is, but text as ``str``."""
    if isinstance(item, h5py.Group):
        item = item["values"]
    return item.asstr()[rows] if h5py.check_string_dtype(item.dtype) else item[rows]


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"not an .h5ad file that can be read ({reason})", where=str(path))

"""Writing an annotated ``.h5ad`` file in constant memory, such that a kill cannot damage it.

The input is copied byte for byte, so it keeps all that it holds. Then HDF5 makes room for what is
added, at full size, and closes the file. From then on its structure does not change: the numbers
are written to their places in the file, without HDF5 and so without its locks. Whenever the process
dies, only numbers that were not yet written are missing; a note beside the file says how many there
are.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

from scyan_exp.errors import InputError
from scyan_exp.files import writing_hdf5
from scyan_exp.results.columns import KEY, drop_earlier_parts, earlier_columns, members_in
from scyan_exp.run.annotating.added import Added
from scyan_exp.run.annotating.partial import Partial, file_of, finish, note_of

#: Bytes copied at a time.
PIECE = 2**20
#: Seconds between two notes.
EVERY = 1.0


class H5adFilling:
    """The file that is being filled; a context.

    Args:
        source: the input.
        output: the path of the file once it is whole.
        n_cells: number of cells.
        x_range: first byte and size of X in the input, if the caller passes its rows to
            :meth:`write`, so that they are read only once. None if X is copied with the rest.
        partial: how far an earlier start came; nothing is done of a new file.
    """

    def __init__(
        self,
        source: Path,
        output: Path,
        n_cells: int,
        x_range: tuple[int, int] | None,
        partial: Partial,
    ) -> None:
        self._source, self._output, self._n_cells = source, output, n_cells
        self._x_range, self._partial = x_range, partial
        self._settling = ThreadPoolExecutor(1, "settling")
        self._settled: Future[None] | None = None
        self._noted = time.monotonic()
        self._file = -1
        if partial.done:
            self._file = os.open(file_of(output), os.O_RDWR)

    def __enter__(self) -> H5adFilling:
        return self

    def __exit__(self, *_: object) -> None:
        self._settling.shutdown()
        if self._file >= 0:
            os.close(self._file)

    def write(self, start: int, added: Added) -> None:
        """Write what is added to the cells from ``start`` on; blocks must come in order.

        Raises:
            RuntimeError: another block should come first.
        """
        after = self._partial.after(start, len(added.obs), added.counts)
        if self._file < 0:
            after = self._begin(added, after)
        for name, values in added.arrays().items():
            offset, dtype, n_bytes = after.places[name]
            self._put(values.astype(dtype, copy=False), offset + start * n_bytes)
        if self._x_range is not None:
            assert added.rows is not None
            self._put(added.rows, self._x_range[0] + start * _row_bytes(added.rows))
        self._partial = after
        self._note()

    def finish(self) -> Partial:
        """Make the file the output; return the last note.

        Raises:
            RuntimeError: some cells were not written, or not counted.
        """
        if self._settled is not None:
            self._settled.result()
        self._partial.check_whole(self._n_cells)
        os.fsync(self._file)
        finish(self._output)
        return self._partial

    def _begin(self, added: Added, partial: Partial) -> Partial:
        note_of(self._output).unlink(missing_ok=True)
        path = file_of(self._output)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        _copy(self._source, self._file, self._x_range)
        with writing_hdf5(path), h5py.File(path, "r+") as target:
            places = _make_room(target, added, self._n_cells)
        return replace(partial, places=places, size=os.fstat(self._file).st_size)

    def _put(self, values: np.ndarray, offset: int) -> None:
        _write_all(self._file, memoryview(np.ascontiguousarray(values).data).cast("B"), offset)

    def _note(self) -> None:
        """Now and then, bring what was written to the disk, and then say so in the note.

        This happens in a thread, so that the disk works while more is computed.
        """
        if self._settled is not None and self._settled.done():
            self._settled.result()
            self._settled = None
        if self._settled is None and time.monotonic() > self._noted + EVERY:
            self._noted = time.monotonic()
            self._settled = self._settling.submit(self._settle, self._partial)

    def _settle(self, partial: Partial) -> None:
        os.fsync(self._file)
        partial.write(self._output)


def _copy(source: Path, target: int, hole: tuple[int, int] | None) -> None:
    """Copy a file, except for a hole: its first byte and size."""
    size = source.stat().st_size
    first, n_bytes = hole or (size, 0)
    os.ftruncate(target, size)
    piece = memoryview(bytearray(PIECE))
    with source.open("rb", buffering=0) as file:
        for start, stop in ((0, first), (first + n_bytes, size)):
            file.seek(start)
            while start < stop:
                n_read = file.readinto(piece[: min(PIECE, stop - start)])
                if not n_read:
                    raise InputError("has become shorter while it was read", where=str(source))
                _write_all(target, piece[:n_read], start)
                start += n_read


def _write_all(file: int, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        done += os.pwrite(file, view[done:], offset + done)


def _make_room(target: h5py.File, added: Added, n_cells: int) -> dict[str, Any]:
    """Make datasets for all that is added; returns the place, type and row size of each."""
    for name in ("obsm", "layers", "uns"):  # files of earlier versions leave out empty groups
        if name not in target:
            write_elem(target, name, {})
    _drop_earlier(target, str(added.uns[KEY]))
    made = _make_columns(target["obs"], added.obs, n_cells)
    for group, values in (("obsm", added.obsm), ("layers", added.layers)):
        for name, array in values.items():
            made[f"{group}/{name}"] = _room(target[group], name, array, n_cells)
    for name, value in added.uns.items():
        write_elem(target["uns"], name, value)
    target.flush()
    return {
        name: [data.id.get_offset(), data.dtype.str, _row_bytes(data)]
        for name, data in made.items()
    }


def _drop_earlier(target: h5py.File, key: str) -> None:
    """Remove what an earlier annotation added."""
    obs = target["obs"]
    columns = [str(name) for name in obs.attrs.get("column-order", [])]
    dropped = earlier_columns(columns, key, members_in(target))
    drop_earlier_parts(target)
    for name in dropped:
        obs.pop(name, None)
    kept = [name for name in columns if name not in dropped]
    obs.attrs["column-order"] = np.array(kept, h5py.string_dtype())


def _make_columns(obs: h5py.Group, columns: pd.DataFrame, n_cells: int) -> dict[str, h5py.Dataset]:
    made = {}
    for name, column in columns.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            write_elem(obs, name, column.iloc[:0].array)
            codes = column.cat.codes.to_numpy()
            made[f"obs/{name}/codes"] = _room(obs[name], "codes", codes, n_cells)
        else:
            made[f"obs/{name}"] = _room(obs, str(name), column.to_numpy(), n_cells)
    kept = [name for name in obs.attrs.get("column-order", []) if name not in columns]
    obs.attrs["column-order"] = np.array([*kept, *columns], h5py.string_dtype())
    return made


def _room(group: h5py.Group, name: str, like: np.ndarray, n_cells: int) -> h5py.Dataset:
    """Make a dataset in one piece, whose place in the file is fixed from now on."""
    if name in group:
        del group[name]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)
    space = h5py.h5s.create_simple((n_cells, *like.shape[1:]))
    kind = h5py.h5t.py_create(like.dtype, logical=True)
    made = h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, space, properties))
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return made


def _row_bytes(values: np.ndarray | h5py.Dataset) -> int:
    return int(np.prod(values.shape[1:])) * int(values.dtype.itemsize)

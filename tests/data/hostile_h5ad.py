"""Files of cells as nobody honest writes them, read in a process that may take little memory.

``python -m tests.data.hostile_h5ad FOLDER`` reads each, and prints as JSON what was said of it.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse

from scyan_exp.data import H5adDataset, load_table, prepare_cells
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.errors import InputError
from tests.conftest import TABLE, small_adata

Change = Callable[[h5py.File], object]
#: Cells of the files; as many as claimed by those that lie.
N, MANY = 60, 10**15
#: Bytes that reading may take beyond what the process has.
MEMORY = 512 * 2**20
COLUMNS = {"label_key": "cell_type", "batch_key": "batch", "continuous_covariates": ["age"]}


def replaced(name: str, **described: Any) -> Change:
    """Another array under the name of an old one, with its attributes."""

    def change(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, **described).attrs.update(attributes)

    return change


def claiming(name: str, *shape: int, dtype: Any = "f4") -> Change:
    """An array of many values, none of which is stored."""
    return replaced(name, shape=shape, dtype=dtype, chunks=tuple(min(n, 1000) for n in shape))


def said(name: str, attribute: str, value: Any) -> Change:
    """Another value of an attribute."""
    return lambda file: file[name].attrs.__setitem__(attribute, value)


def linked(name: str, link: Any) -> Change:
    """A link in the place of what was there."""

    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return change


def stored(name: str, place: Any, value: Any) -> Change:
    """Another value within an array."""
    return lambda file: file[name].__setitem__(place, value)


def both(*changes: Change) -> Change:
    """One change after the other."""
    return lambda file: [change(file) for change in changes]


def outside(file: h5py.File) -> None:
    """X in a file of the system."""
    del file["X"]
    file.create_dataset("X", (N, 5), "f4", external=[(sys.executable, 0, 20 * N)])


def virtual(file: h5py.File) -> None:
    """X in another file of HDF5."""
    del file["X"]
    layout = h5py.VirtualLayout((N, 5), "f4")
    layout[:] = h5py.VirtualSource("dense.h5ad", "X", (N, 5))
    file.create_virtual_dataset("X", layout)


def branching(file: h5py.File) -> None:
    """2 to the power of 30 ways to a group."""
    group = file["uns"]
    for _ in range(30):
        inner = group.create_group("a")
        inner.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        group["b"] = inner
        group = inner


def emptied(name: str) -> Change:
    """A group without anything."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_group(name)

    return change


DENSE: dict[str, Change] = {
    "X of 10^15 cells": claiming("X", MANY, 5),
    "10^15 cells": both(
        claiming("X", MANY, 5), claiming("obs/_index", MANY, dtype=h5py.string_dtype())
    ),
    "a column of 10^15 values": claiming("obs/age", MANY, dtype="f8"),
    "10^15 categories": claiming("obs/batch/categories", MANY, dtype="S3"),
    "a layer of 10^15 cells": claiming("layers/raw", MANY, 5),
    "10^15 values beside the cells": claiming("uns/kept/a", MANY),
    "a text of 2 GB": replaced("uns/kept/a", shape=(), dtype=f"S{2**31 - 10}"),
    "X linked to another file": linked("X", h5py.ExternalLink("dense.h5ad", "/X")),
    "obs linked to another file": linked("obs", h5py.ExternalLink("dense.h5ad", "/obs")),
    "X stored in another file": outside,
    "X made of another file": virtual,
    "links in a circle": both(
        linked("X", h5py.SoftLink("/Y")), lambda f: f.__setitem__("Y", h5py.SoftLink("/X"))
    ),
    "a link to nothing": linked("obs/age", h5py.SoftLink("/nothing")),
    "a link to what is above": linked("uns/kept", h5py.SoftLink("/")),
    "the file within itself": lambda file: file.__setitem__("uns/all", file["/"]),
    "ways without end": branching,
    "X a group": emptied("X"),
    "X of text": replaced("X", data=np.full((N, 5), b"a")),
    "X of records": replaced("X", data=np.zeros((N, 5), [("a", "f4")])),
    "X of lists": replaced("X", shape=(N, 5), dtype=h5py.vlen_dtype("f4")),
    "X of references": replaced("X", shape=(N, 5), dtype=h5py.ref_dtype),
    "X a number": replaced("X", data=1.0),
    "X a row": replaced("X", data=np.ones(N)),
    "X of three dimensions": replaced("X", data=np.ones((N, 5, 2))),
    "X of nothing": replaced("X", data=h5py.Empty("f4")),
    "X dense that says sparse": said("X", "encoding-type", "csr_matrix"),
    "X of an unknown kind": said("X", "encoding-type", "nonsense"),
    "X of a kind that is a number": said("X", "encoding-type", 7),
    "X of a later version": said("X", "encoding-version", "99"),
    "obs an array": said("obs", "encoding-type", "array"),
    "obs a dictionary": said("obs", "encoding-type", "dict"),
    "var sparse": said("var", "encoding-type", "csr_matrix"),
    "columns that are not there": said("obs", "column-order", ["age", "absent"]),
    "columns that are a number": said("obs", "column-order", 5),
    "a column outside of obs": said("obs", "column-order", ["../X"]),
    "names of cells that are not there": said("obs", "_index", "absent"),
    "names of cells in X": said("obs", "_index", "/X"),
    "names of markers in X": said("var", "_index", "/X"),
    "names of cells in two dimensions": replaced("obs/_index", data=np.zeros((N, 2))),
    "too few names of cells": replaced("obs/_index", data=np.full(N - 9, b"a")),
    "names of cells in no encoding": replaced("obs/_index", data=np.full(N, b"\xff\xfe")),
    "ages in two dimensions": replaced("obs/age", data=np.zeros((N, 3))),
    "ages of lists": replaced("obs/age", shape=(N,), dtype=h5py.vlen_dtype("f4")),
    "ages of records": replaced("obs/age", data=np.zeros(N, [("a", "f4")])),
    "too few ages": replaced("obs/age", data=np.ones(6)),
    "a category that is not there": stored("obs/cell_type/codes", 3, 77),
    "categories in two dimensions": replaced("obs/cell_type/categories", data=np.zeros((3, 3))),
    "a column without values": emptied("obs/batch"),
    "a mask that is too short": replaced("obs/sure/mask", data=np.zeros(3, bool)),
    "masked values in two dimensions": replaced("obs/sure/values", data=np.zeros((N, 4))),
    "no var": lambda file: file.__delitem__("var"),
    "places in too few rows": replaced("obsm/X_umap", data=np.zeros((3, 2))),
}
SPARSE: dict[str, Change] = {
    "columns behind the last": stored("X/indices", slice(0, 3), 10**6),
    "columns before the first": stored("X/indices", 0, -5),
    "rows behind the last": stored("X/indptr", 3, 10**8),
    "rows before the first": stored("X/indptr", 3, -4),
    "10^15 rows": said("X", "shape", [MANY, 5]),
    "10^15 columns": said("X", "shape", [N, MANY]),
    "rows below zero": said("X", "shape", [-N, 5]),
    "a shape of text": said("X", "shape", "x"),
    "a shape of three": said("X", "shape", [N, 5, 5]),
    "fewer columns than rows have": both(
        claiming("X/indices", MANY, dtype="i4"), claiming("X/data", MANY)
    ),
}


def write_originals(folder: Path) -> dict[str, Path]:
    """Right files: dense, compressed, and sparse by rows and by columns."""
    cells = small_adata(N)
    cells.layers["raw"] = cells.X.copy()
    cells.uns["kept"] = {"a": 1}
    cells.obsm["X_umap"] = np.zeros((N, 2))
    cells.obs["sure"] = pd.array([True, None] * (N // 2), dtype="boolean")
    paths = {name: folder / f"{name}.h5ad" for name in ("dense", "packed", "rows", "columns")}
    cells.write_h5ad(paths["dense"])
    cells.write_h5ad(paths["packed"], compression="gzip")
    dense = cells.X
    for name, kind in (("rows", scipy.sparse.csr_matrix), ("columns", scipy.sparse.csc_matrix)):
        cells.X = kind(dense)
        cells.write_h5ad(paths[name])
    return paths


def spoilt(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each file with one change, under its name."""
    originals = write_originals(folder)
    cases = [("dense", DENSE), ("rows", SPARSE), ("columns", SPARSE)]
    for original, changes in cases:
        for name, change in changes.items():
            path = folder / "cells.h5ad"
            shutil.copy(originals[original], path)
            with h5py.File(path, "r+") as file:
                change(file)
            yield f"{original}: {name}", path


def damaged(folder: Path, how_many: int) -> Iterator[tuple[str, Path]]:
    """Files that are cut off, or have some other bytes."""
    contents = [path.read_bytes() for path in write_originals(folder).values()]
    draw, path = random.Random(0), folder / "cells.h5ad"
    for number in range(how_many):
        content = bytearray(draw.choice(contents))
        if draw.random() < 0.1:
            del content[draw.randrange(len(content)) :]
        used = [place for place, byte in enumerate(content) if byte]
        for place in draw.choices(used, k=draw.choice([1, 2, 4, 16])):
            content[place] = draw.choice([0, 255, draw.randrange(256)])
        path.write_bytes(content)
        yield str(number), path


def train_on(path: Path, **keys: Any) -> None:
    """Read as a run does."""
    dataset = H5adDataset(path=[str(path)], **COLUMNS, **keys)
    dataset.columns()
    table = load_table(path.with_name("table.csv"))
    prepare_cells(dataset.read_for(table.markers), table, dataset).close()


def annotate(path: Path) -> None:
    """Read as ``scyan-exp annotate`` does."""
    with H5adBlocks(path) as cells:
        cells.obs(0, cells.n_cells, cells.columns)
        cells.cell_names(0, cells.n_cells)
        if cells.has_expressions:
            cells.rows(0, cells.n_cells)


READERS: dict[str, Callable[[Path], None]] = {
    "train": train_on,
    "annotate": annotate,
    "train on some": lambda path: train_on(path, n_cells_per_file=N // 3),
    "train on a layer": lambda path: train_on(path, layer="raw"),
}


def told(read: Callable[[Path], None], path: Path) -> str:
    """What a reader says of a file: nothing if it takes it."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    except BaseException:
        return traceback.format_exc()
    return ""


def in_a_process(read: Callable[[Path], None], path: Path) -> str:
    """As ``told``, in a process of its own, since HDF5 may end it; then the signal is told."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (3, 3))
        os.write(theirs, told(read, path).encode()[-4000:])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return text if code == 0 else f"signal {-code}"


def main(what: str, folder: Path) -> dict[str, dict[str, str]]:
    """What each reader says of each file."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    (folder / "table.csv").write_text(TABLE)
    for path in write_originals(folder).values():
        for read in READERS.values():
            read(path)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    files = spoilt(folder) if what == "spoilt" else damaged(folder, int(what))
    ask = told if what == "spoilt" else in_a_process
    said = {}
    for case, path in files:
        names = list(READERS)[: 3 if case.startswith("rows") else 2]
        said[case] = {name: ask(READERS[name], path) for name in names}
    return said


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))

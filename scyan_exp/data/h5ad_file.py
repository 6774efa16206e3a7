"""Opening an ``.h5ad`` file that somebody else may have written.

HDF5 follows links into other files, and makes room for whatever size a file claims. So each file
is looked at as a whole before anything of it is read: that takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

#: Values may take so many times the bytes of their file: compression of real cells reaches 40.
MOST_INFLATED = 200
#: Values of so many bytes are read from any file.
ALWAYS_READ = 64 * 2**20
#: Indices that are looked at together.
BLOCK = 2**22
#: Groups within groups, groups and arrays in all, as often as links lead there. Files of anndata
#: have some hundred, six deep at most.
DEEPEST, MOST_GROUPS, MOST_ARRAYS = 32, 2_000, 20_000


def open_h5ad(path: str | Path) -> h5py.File:
    """Open a file for reading, once all that it holds is known to be harmless.

    Raises:
        OSError: it is no HDF5 file, it leads to other files, or it claims more than it can hold.
    """
    file = h5py.File(path, "r")
    try:
        _check_contents(file, Path(path).stat().st_size)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:  # what HDF5 says of damage
        file.close()
        raise OSError(str(error)) from error
    except OSError:
        file.close()
        raise
    return file


def check_sparse(x: Any) -> None:
    """Make sure that the rows of a sparse matrix lie within it; anything else is left alone.

    Raises:
        ValueError: they do not.
    """
    if not isinstance(x, h5py.Group):
        return
    ends, n_values = x["indptr"][:], x["data"].shape[0]
    rises = len(ends) and ends[0] == 0 and ends[-1] == n_values and (np.diff(ends) >= 0).all()
    if not rises or x["indices"].shape != (n_values,):
        raise ValueError("the parts of the sparse X do not fit together")
    shape = x.attrs["shape"] if "shape" in x.attrs else x.attrs["h5sparse_shape"]
    by_columns = str(x.attrs.get("encoding-type", x.attrs.get("h5sparse_format"))).startswith("csc")
    fits = len(ends) == int(shape[1 if by_columns else 0]) + 1
    for start in range(0, n_values, BLOCK):
        indices = x["indices"][start : start + BLOCK]
        fits &= indices.min() >= 0 and indices.max() < int(shape[0 if by_columns else 1])
    if not fits:
        raise ValueError("the parts of the sparse X do not fit to its shape")


def _check_contents(file: h5py.File, size: int) -> None:
    n_bytes, most = 0, max(ALWAYS_READ, MOST_INFLATED * size)
    for n_arrays, dataset in enumerate(_datasets(file), start=1):
        name = dataset.name
        if n_arrays > MOST_ARRAYS:
            raise OSError(f"it holds more than {MOST_ARRAYS:,} arrays")
        if dataset.external or dataset.is_virtual:
            raise OSError(f"the values of {name} are in another file: copy them into this one")
        n_bytes += int(dataset.size or 0) * dataset.dtype.itemsize
        if n_bytes > most:
            raise OSError(
                f"{name} claims {dataset.size:,} values, more than {size:,} bytes can hold"
            )


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Each as often as a link leads to it, as it would be read."""
    waiting: list[tuple[h5py.Group, int]] = [(file, 0)]
    n_groups = 0
    while waiting:
        group, depth = waiting.pop()
        n_groups += 1
        if depth > DEEPEST or n_groups > MOST_GROUPS:
            raise OSError("its groups are nested without end")
        for name in group:
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise OSError(f"{group.name}: {name} is in another file: copy it into this one")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                yield item

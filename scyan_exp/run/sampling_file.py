"""Writing synthetic cells to a file: h5ad, FCS or CSV, by its suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.data.fcs_categories import category_keywords
from scyan_exp.data.fcs_writing import write_fcs
from scyan_exp.errors import InputError
from scyan_exp.files import atomic_path, explain_unwritable, writing_hdf5

if TYPE_CHECKING:
    from anndata import AnnData


def check_new_file(path: Path) -> None:
    """Make sure that a file of this name can be written.

    Raises:
        InputError: its format is unknown, or it exists already.
    """
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"out: expected a name that ends in one of {known}, found {path.name!r}")
    if path.exists():
        reason = "exists already, and nothing is overwritten: choose another with out=FILE"
        raise InputError(reason, where=str(path))


def write_sampled(adata: AnnData, path: Path) -> None:
    """Write cells in memory, whole or not at all.

    Raises:
        InputError: the format does not allow a name.
        OutputError: the folder cannot be written.
    """
    with explain_unwritable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        FORMATS[path.suffix.lower()](adata, path)


def _write_h5ad(adata: AnnData, path: Path) -> None:
    with atomic_path(path) as temporary, writing_hdf5(path):
        adata.write_h5ad(temporary)


def _write_csv(adata: AnnData, path: Path) -> None:
    """A column per marker, then those of ``obs``."""
    expressions = pd.DataFrame(adata.X, index=adata.obs_names, columns=adata.var_names)
    with atomic_path(path) as temporary:
        pd.concat([expressions, adata.obs], axis=1).to_csv(
            temporary, index=False, lineterminator="\n"
        )


def _write_fcs(adata: AnnData, path: Path) -> None:
    """A channel per marker and per column of ``obs``; categories become numbers, from 1 on.

    Keywords say what a number means: ``population 1``.
    """
    channels, columns = list(adata.var_names), [np.asarray(adata.X, np.float32)]
    keywords: dict[str, str] = {}
    for name, column in adata.obs.items():
        channels.append(str(name))
        if isinstance(column.dtype, pd.CategoricalDtype):
            keywords |= category_keywords(str(name), [str(one) for one in column.cat.categories])
            column = column.cat.codes + 1
        columns.append(column.to_numpy(np.float32)[:, None])
    write_fcs(path, np.concatenate(columns, axis=1), channels, keywords=keywords)


#: How cells are written, by the suffix of the file.
FORMATS: dict[str, Callable[[AnnData, Path], None]] = {
    ".h5ad": _write_h5ad,
    ".fcs": _write_fcs,
    ".csv": _write_csv,
}

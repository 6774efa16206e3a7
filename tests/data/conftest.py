"""Files that today's anndata no longer writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from tests.data.fcs_files import small_fcs
from tests.data.samples import SIZES

if TYPE_CHECKING:
    from pathlib import Path


def write_older_h5ad(path: Path) -> None:
    """Four cells of three markers as anndata 0.7 wrote them: categories beside the columns."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file["X"] = np.arange(12, dtype=np.float32).reshape(4, 3)
        for axis, index, column, categories, codes in (
            ("obs", ["c0", "c1", "c2", "c3"], "cell_type", ["B", "T"], [0, 1, 0, 1]),
            ("var", ["CD3", "CD4", "CD8"], "kind", ["lineage", "state"], [0, 0, 1]),
        ):
            group = file.create_group(axis)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0"})
            group.attrs["_index"] = "_index"
            group.attrs.create("column-order", [column], dtype=text)
            group.create_dataset("_index", data=index, dtype=text)
            group.create_dataset(f"__categories/{column}", data=categories, dtype=text)
            group[column] = np.array(codes, np.int8)
            group[column].attrs["categories"] = group[f"__categories/{column}"].ref


@pytest.fixture
def older_file(tmp_path: Path) -> Path:
    """An h5ad file of an older anndata."""
    path = tmp_path / "older.h5ad"
    write_older_h5ad(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three FCS files, and what is no FCS file."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for name, n_cells in SIZES.items():
        small_fcs(n_cells).write(folder / f"{name}.fcs")
    (folder / "notes.txt").write_text("shaken, not stirred")
    (folder / ".hidden.fcs").write_text("")
    return folder

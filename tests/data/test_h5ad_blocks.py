"""An h5ad file read by blocks holds what anndata reads from it."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix

from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.errors import InputError

N = 57
SPANS = [(0, N), (0, 10), (10, 11), (40, N)]


def cells() -> anndata.AnnData:
    """Columns of every kind that anndata writes."""
    rng = np.random.default_rng(0)
    x = rng.poisson(1, size=(N, 4)).astype(np.float32)
    obs = pd.DataFrame(
        {
            "batch": pd.Categorical(rng.choice(["a", "b"], N)),
            "dose": pd.Categorical(rng.choice(["low", "high"], N), ["low", "high"], ordered=True),
            "gap": pd.Categorical(np.where(rng.random(N) < 0.5, "x", None)),
            "text": pd.Series([f"é{i}" for i in range(N)]).to_numpy(object),
            "number": rng.random(N),
            "whole": rng.integers(9, size=N),
            "is_live": rng.random(N) < 0.5,
            "count": pd.array(np.where(rng.random(N) < 0.5, 3, pd.NA), "Int64"),
        },
        index=[f"cell {i}" for i in range(N)],
    )
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=["CD3", "CD4", "CD8", "é"]))


def write(path: Path, x: object, **options: object) -> anndata.AnnData:
    adata = cells()
    adata.X = x
    adata.write_h5ad(path, **options)
    return adata


KINDS = {
    "float32": (lambda x: x, {}),
    "float64": (lambda x: x.astype(np.float64), {}),
    "integers": (lambda x: x.astype(np.int16), {}),
    "big-endian": (lambda x: x.astype(">f4"), {}),
    "compressed": (lambda x: x, {"compression": "gzip"}),
    "sparse by rows": (csr_matrix, {}),
    "sparse by columns": (csc_matrix, {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("span", SPANS)
def test_rows_of_any_x_are_those_of_anndata(tmp_path, kind, span):
    make, options = KINDS[kind]
    expected = cells().X[slice(*span)]
    write(tmp_path / "cells.h5ad", make(cells().X), **options)
    with H5adBlocks(tmp_path / "cells.h5ad") as blocks:
        rows = blocks.rows(*span)
        assert blocks.names == ["CD3", "CD4", "CD8", "é"]
        assert blocks.n_cells == N
        assert (blocks.x_range is not None) == (kind in list(KINDS)[:4])
    np.testing.assert_array_equal(
        rows if isinstance(rows, np.ndarray) else rows.toarray(), expected
    )


@pytest.mark.parametrize("span", SPANS)
def test_columns_of_any_kind_are_those_of_anndata(tmp_path, span):
    adata = write(tmp_path / "cells.h5ad", cells().X)
    with H5adBlocks(tmp_path / "cells.h5ad") as blocks:
        found = blocks.obs(*span, blocks.columns)
        names = blocks.cell_names(*span)
    expected = adata.obs.iloc[slice(*span)]
    assert names.tolist() == expected.index.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    for name in expected:
        given, there = expected[name], found[name]
        assert there.isna().tolist() == given.isna().tolist()
        assert there.dropna().tolist() == given.dropna().tolist(), name
    assert found["dose"].cat.ordered
    assert found["dose"].cat.categories.tolist() == ["low", "high"]


def test_columns_of_categories_as_anndata_once_wrote_them(tmp_path):
    """In version 0.7 before its last: codes with a reference to the categories."""
    write(tmp_path / "cells.h5ad", cells().X)
    with h5py.File(tmp_path / "cells.h5ad", "r+") as file:
        codes = file["obs/batch/codes"][:]
        del file["obs/batch"]
        kind = h5py.string_dtype()
        file.create_dataset("obs/__categories/batch", data=["a", "b"], dtype=kind)
        file["obs/batch"] = codes
        file["obs/batch"].attrs["categories"] = file["obs/__categories/batch"].ref
    with H5adBlocks(tmp_path / "cells.h5ad") as blocks:
        found = blocks.obs(0, N, ["batch"])["batch"]
    assert found.tolist() == cells().obs["batch"].tolist()


def no_text(path: Path) -> None:
    path.write_text("CD3,CD4\n1,2\n")


def cut(path: Path) -> None:
    write(path, cells().X)
    path.write_bytes(path.read_bytes()[:4000])


def without_obs(path: Path) -> None:
    write(path, cells().X)
    with h5py.File(path, "r+") as file:
        del file["obs"]


def of_old(path: Path) -> None:
    write(path, cells().X)
    with h5py.File(path, "r+") as file:
        del file["obs"]
        file["obs"] = np.zeros(N, [("index", "i4")])


def with_too_few_rows(path: Path) -> None:
    write(path, cells().X)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = cells().X[:-1]


def of_text(path: Path) -> None:
    write(path, cells().X)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.full((N, 4), b"x")


def with_parts_that_differ(path: Path) -> None:
    write(path, csr_matrix(cells().X))
    with h5py.File(path, "r+") as file:
        indices = file["X/indices"][:-1]
        del file["X/indices"]
        file["X/indices"] = indices


BROKEN = {
    no_text: "not an .h5ad file that can be read",
    cut: "not an .h5ad file that can be read",
    without_obs: "it has no group 'obs'",
    of_old: "it has no group 'obs'",
    with_too_few_rows: r"a damaged .h5ad file: X is \(56, 4\), but there are 57 cells",
    of_text: "X is no matrix of numbers",
    with_parts_that_differ: "the parts of the sparse X do not fit together",
}


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
def test_broken_files_are_refused_by_name(tmp_path, spoil):
    path = tmp_path / "cells.h5ad"
    spoil(path)
    with pytest.raises(InputError, match=BROKEN[spoil]) as raised:
        H5adBlocks(path)
    assert raised.value.where == str(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a file that stays open would warn
        path.unlink()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        H5adBlocks(tmp_path / "cells.h5ad")

"""Expressions that stand in a layer of an ``.h5ad`` file, or in ``raw``."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse

from scyan_exp.data import H5adDataset, encode_cells, load_table, prepare_cells
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.errors import InputError
from tests.conftest import MARKERS, small_adata

LAYERS = {"counts": np.asarray, "sparse": sparse.csr_matrix}


def layered(path: Path, *, with_x: bool = True) -> Path:
    """Cells whose layers and ``raw`` hold the expressions, and X twice as much or nothing."""
    adata = small_adata(60)
    x = adata.X.copy()
    adata.raw = adata.copy()
    adata.layers.update({name: storage(x) for name, storage in LAYERS.items()})
    adata.X = 2 * x
    adata.write_h5ad(path)
    if not with_x:
        with h5py.File(path, "a") as file:
            del file["X"]
    return path


def read_layer(path: str, layer: str) -> anndata.AnnData:
    """The cells with a layer as X."""
    return H5adDataset(path=path, layer=layer).read()


@pytest.mark.parametrize("layer", [*LAYERS, "raw"])
@pytest.mark.parametrize("with_x", [True, False])
@pytest.mark.parametrize("n_files", [1, 2])
def test_a_layer_is_read_in_place_of_x(tmp_path, layer, with_x, n_files):
    for i in range(n_files):
        layered(tmp_path / f"{i}.h5ad", with_x=with_x)
    adata = H5adDataset(path=str(tmp_path), layer=layer).read_for(MARKERS)
    x = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
    np.testing.assert_array_equal(x, np.vstack([small_adata(60).X] * n_files))
    assert adata.obs["batch"].tolist() == small_adata(60).obs["batch"].tolist() * n_files


@pytest.mark.parametrize("layer", [*LAYERS, "raw"])
def test_a_layer_is_read_block_by_block(tmp_path, layer):
    with H5adBlocks(layered(tmp_path / "a.h5ad"), layer) as cells:
        rows = cells.rows(10, 20)
        assert cells.x_range is None  # it is not where X lies
    rows = rows if isinstance(rows, np.ndarray) else rows.toarray()
    np.testing.assert_array_equal(rows, small_adata(60).X[10:20])


def test_new_cells_are_read_from_the_layer_of_the_training(tmp_path, table_file):
    dataset = H5adDataset(path=str(layered(tmp_path / "a.h5ad")), layer="counts")
    cells = prepare_cells(dataset.read(), load_table(table_file), dataset)
    assert cells.preprocessing.layer == "counts"
    new = anndata.read_h5ad(tmp_path / "a.h5ad")
    x, _ = encode_cells(new, cells.table, cells.preprocessing, cells.encoding)
    np.testing.assert_array_equal(x, cells.x)
    again, _ = encode_cells(cells.adata, cells.table, cells.preprocessing, cells.encoding)
    np.testing.assert_array_equal(again, cells.x)


@pytest.mark.parametrize("n_files", [1, 2])
def test_cells_without_x_name_their_layers(tmp_path, n_files):
    for i in range(n_files):
        layered(tmp_path / f"{i}.h5ad", with_x=False)
    with pytest.raises(InputError) as caught:
        H5adDataset(path=str(tmp_path)).read()
    assert (
        "0.h5ad: the cells have no expressions: X is missing. They have the layers counts, "
        "sparse, raw: set dataset.layer=counts"
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("count", "'count'. Did you mean 'counts'? They have: counts, sparse, raw"),
        ("raw", "'raw'. They have: none"),
    ],
)
@pytest.mark.parametrize("open_", [H5adBlocks, read_layer])
def test_a_layer_that_is_not_there(tmp_path, layer, told, open_):
    path = tmp_path / "a.h5ad"
    if layer == "raw":
        small_adata(60).write_h5ad(path)
    else:
        layered(path)
    with pytest.raises(InputError) as caught:
        open_(str(path), layer)
    assert str(caught.value) == f"{path}: dataset.layer: the cells have no layer {told}"


def test_a_layer_that_holds_no_cells_is_refused(tmp_path):
    path = layered(tmp_path / "a.h5ad")
    with h5py.File(path, "a") as file:
        file["layers"]["cut"] = np.zeros((3, 5), np.float32)
        file["layers/cut"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    for read in (H5adBlocks, read_layer):
        with pytest.raises(InputError, match=r"a\.h5ad"):
            read(str(path), "cut")

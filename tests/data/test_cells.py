"""From AnnData and a table to tensors."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from scyan_exp.data import Cells, encode_cells, load_table
from scyan_exp.errors import InputError
from tests.conftest import MARKERS, small_adata
from tests.data.prepared import changed, prepare, problems_of, renamed


@pytest.fixture
def table(table_file):
    return load_table(table_file)


def test_inputs_have_the_markers_in_the_tables_order(table):
    adata = small_adata()
    shuffled = adata[:, ["CD45", "CD19", "CD8", "CD3", "CD4"]].copy()
    cells = prepare(shuffled, table, scale=False)
    assert table.markers == MARKERS
    assert cells.x.dtype == torch.float32
    np.testing.assert_array_equal(cells.x, adata[:, MARKERS].X)
    assert len(cells) == 600


def test_inputs_are_preprocessed_as_asked(table):
    adata = small_adata()
    x = prepare(adata, table).x
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
    cells = prepare(adata, table, transform="asinh", cofactor=2.0, scale=False)
    np.testing.assert_allclose(cells.x, np.arcsinh(adata[:, MARKERS].X / 2), rtol=1e-5)
    assert prepare(adata, table, max_value=0.5).x.abs().max() == 0.5


def test_cells_on_disk_are_those_in_memory(table, cells_file):
    on_disk = anndata.read_h5ad(cells_file, backed="r")
    torch.testing.assert_close(prepare(on_disk, table).x, prepare(small_adata(), table).x)


def test_the_cells_themselves_are_not_changed(table):
    adata = small_adata()
    prepare(adata, table, transform="asinh", batch_key="batch", label_key="cell_type")
    np.testing.assert_array_equal(adata.X, small_adata().X)
    pd.testing.assert_frame_equal(adata.obs, small_adata().obs)


def test_covariates_and_labels(table):
    adata = small_adata()
    adata.obs.loc["cell1", "cell_type"] = np.nan
    cells = prepare(
        adata, table, label_key="cell_type", batch_key="batch", continuous_covariates=["age"]
    )
    is_b = (adata.obs["batch"] == "b").to_numpy()
    expected = np.column_stack([~is_b, is_b, adata.obs["age"]]).astype(np.float32)
    np.testing.assert_array_equal(cells.covariates, expected)
    assert cells.labels.iloc[1] is None
    assert cells.labels.drop("cell1").tolist() == adata.obs["cell_type"].drop("cell1").tolist()


def test_a_batch_that_is_also_a_covariate_enters_once(table):
    cells = prepare(
        small_adata(), table, batch_key="batch", categorical_covariates=["batch", "cell_type"]
    )
    assert list(cells.encoding.categories) == ["batch", "cell_type"]
    assert cells.covariates.shape == (600, 5)


def test_without_keys_there_are_no_covariates_or_labels(table):
    cells = prepare(small_adata(), table)
    assert cells.covariates.shape == (600, 0)
    assert cells.labels is None


@pytest.mark.parametrize("dtype", [int, "category"])
def test_labels_that_are_numbers_are_the_names_of_rows(table, dtype):
    """A table holds names, so gates numbered 1, 2, 3 are compared as '1', '2', '3'."""
    adata = small_adata()
    adata.obs["gate"] = (adata.obs["cell_type"].cat.codes.astype(int) + 1).astype(dtype)
    labels = prepare(adata, table, label_key="gate").labels
    assert set(labels) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("center", "expected"),
    [
        ("auto", ["The expressions do not gather at 0: means become 0 (dataset.center=true)"]),
        (True, []),
    ],
)
def test_what_was_decided_of_the_centre_is_said(table, caplog, center, expected):
    caplog.set_level("INFO", "scyan_exp.data.cells")
    adata = small_adata()
    adata.X = 1000 * adata.X
    prepare(adata, table, transform="asinh", center=center)
    assert caplog.messages == expected


def test_cells_that_are_counts_are_told(table, caplog):
    caplog.set_level("INFO", "scyan_exp.data.cells")
    adata = small_adata()
    adata.X = np.where(adata.X > 2, 100 * adata.X, 0)
    cells = prepare(adata, table, transform="asinh", center="auto")
    assert caplog.messages == [
        "The expressions are counts with many at 0: 0 becomes -1 (dataset.center=false)"
    ]
    assert cells.x.min().item() == pytest.approx(-1)


def raw_flow() -> anndata.AnnData:
    """The small cells on a linear scale, with the noise of a flow cytometer."""
    adata = small_adata()
    noise = np.random.default_rng(0).normal(0, 100, adata.shape)
    adata.X = (10 ** np.clip(adata.X, 0, 4.5) + noise).astype(np.float32)
    return adata


def test_what_auto_chose_is_said_and_kept(table, caplog):
    caplog.set_level("INFO", "scyan_exp.data.cells")
    cells = prepare(raw_flow(), table, transform="auto")
    assert cells.preprocessing.transform == "logicle"
    assert len(cells.preprocessing.logicle) == len(MARKERS)
    (message,) = caplog.messages
    assert message.startswith("Transform: logicle, because they are linear intensities of flow")
    assert message.endswith("(dataset.transform=auto)")
    x, _ = encode(raw_flow()[:50].copy(), cells)
    torch.testing.assert_close(x, cells.x[:50], rtol=0, atol=0)


def test_auto_leaves_transformed_cells_as_they_are(table, caplog):
    """Also those that reach far: ``check_range`` guards against forgotten transforms alone."""
    adata = small_adata()
    adata.X = 300 * adata.X + 500
    assert "look untransformed" in problems_of(adata, table)[0]
    cells = prepare(adata, table, transform="auto")
    assert cells.preprocessing.transform == "none"
    torch.testing.assert_close(cells.x, prepare(small_adata(), table).x, atol=1e-3, rtol=0)


def test_auto_takes_the_cofactor_for_counts(table):
    adata = small_adata()
    adata.X = np.where(adata.X > 2, 100 * adata.X, 0)
    for cofactor in (5.0, {"default": 7}):
        cells = prepare(adata, table, transform="auto", cofactor=cofactor)
        asked = prepare(adata, table, transform="asinh", cofactor=cofactor)
        assert cells.preprocessing == asked.preprocessing


def test_a_cofactor_by_marker_and_one_for_the_others(table):
    cofactor = {"CD8": 100.0, "default": 7}
    cells = prepare(small_adata(), table, transform="asinh", cofactor=cofactor, scale=False)
    expected = [100.0 if marker == "CD8" else 7.0 for marker in MARKERS]
    np.testing.assert_allclose(
        cells.x, np.arcsinh(small_adata()[:, MARKERS].X / expected), rtol=1e-5
    )


def test_how_cells_were_compensated_is_kept(table, tmp_path):
    """As plain numbers, also when a file of cells made arrays of them."""
    adata = small_adata()
    noted = {"kind": "matrix", "channels": ["FL1", "FL2"], "numbers": [[1.0, 0.1], [0.0, 1.0]]}
    adata.uns["compensation"] = noted
    adata.write_h5ad(tmp_path / "cells.h5ad")
    for cells in (adata, anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")):
        assert prepare(cells, table).preprocessing.compensation == noted
    assert prepare(small_adata(), table).preprocessing.compensation is None


@pytest.mark.parametrize("noted", [pd.DataFrame({"FL1": [1.0]}), {"matrix": [1.0]}, "by hand"])
def test_what_other_programs_note_of_compensation_is_not_kept(table, noted):
    """A checkpoint holds plain numbers and texts only."""
    adata = small_adata()
    adata.uns["compensation"] = noted
    assert prepare(adata, table).preprocessing.compensation is None


SETTINGS = {"transform": "asinh", "batch_key": "batch", "continuous_covariates": ["age"]}


def encode(adata, cells: Cells):
    return encode_cells(adata, cells.table, cells.preprocessing, cells.encoding)


@pytest.mark.parametrize("storage", [np.array, sparse.csr_matrix], ids=["dense", "sparse"])
def test_new_cells_are_preprocessed_as_the_old(table, storage):
    cells = prepare(small_adata(), table, **SETTINGS)
    some = small_adata()[100:150, ["CD19", "CD8", "CD4", "CD3"]].copy()
    some.X = storage(some.X)
    x, covariates = encode(some, cells)
    torch.testing.assert_close(x, cells.x[100:150], rtol=0, atol=0)
    torch.testing.assert_close(covariates, cells.covariates[100:150], rtol=0, atol=0)


def test_one_new_cell_is_enough(table):
    cells = prepare(small_adata(), table, **SETTINGS)
    assert encode(small_adata()[:1].copy(), cells)[0].shape == (1, 4)


def test_new_cells_without_markers_and_covariates_are_refused(table):
    cells = prepare(small_adata(), table, **SETTINGS)
    new = renamed(CD8="CD8a")
    new.obs = new.obs.rename(columns={"batch": "Batch"}).drop(columns="age")
    with pytest.raises(InputError) as caught:
        encode(new, cells)
    assert caught.value.problems == [
        "marker 'CD8' of the table is not in the data. Did you mean 'CD8a'? "
        "The data has: CD3, CD4, CD8a, CD19, CD45",
        "covariate: the cells have no column 'batch'. Did you mean 'Batch'? "
        "They have: cell_type, Batch",
        "covariate: the cells have no column 'age'. They have: cell_type, Batch",
    ]


def test_new_cells_that_are_not_finite_are_refused(table):
    cells = prepare(small_adata(), table, **SETTINGS)
    with pytest.raises(InputError, match="marker 'CD3' has 1 NaN or infinite expressions in 600"):
        encode(changed("CD3", 9, np.nan), cells)


@pytest.mark.parametrize(
    ("key", "value"), [("batch", np.nan), ("age", np.nan), ("age", np.inf), ("age", "old")]
)
def test_new_cells_with_unusable_covariates_are_refused_by_name(table, key, value):
    cells = prepare(small_adata(), table, **SETTINGS)
    new = small_adata()
    column = new.obs[key].astype(object)
    column.iloc[4] = value
    new.obs[key] = column
    with pytest.raises(InputError, match=rf"obs\['{key}'\]"):
        encode(new, cells)

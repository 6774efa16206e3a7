"""From AnnData and a table to tensors, and every problem on the way."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from scyan_exp.data import Cells, H5adDataset, encode_cells, load_table, prepare_cells
from scyan_exp.errors import InputError
from tests.conftest import MARKERS, small_adata


@pytest.fixture
def table(table_file):
    return load_table(table_file)


def prepare(adata, table, **settings) -> Cells:
    return prepare_cells(adata, table, H5adDataset(path="cells.h5ad", **settings))


def problems_of(adata, table, **settings) -> list[str]:
    with pytest.raises(InputError) as caught:
        prepare(adata, table, **settings)
    return caught.value.problems


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


def renamed(**names) -> anndata.AnnData:
    adata = small_adata()
    adata.var_names = [names.get(name, name) for name in adata.var_names]
    return adata


def changed(marker: str, rows, value: float) -> anndata.AnnData:
    adata = small_adata()
    adata.X[rows, adata.var_names.get_loc(marker)] = value
    return adata


def test_missing_markers_are_named_with_near_matches(table):
    assert problems_of(renamed(CD8="CD8a", CD19="FoxP3"), table) == [
        "marker 'CD8' of the table is not in the data. Did you mean 'CD8a'?",
        "marker 'CD19' of the table is not in the data. The data has: CD3, CD4, CD8a, FoxP3, CD45",
    ]


def test_markers_that_stand_twice_are_refused(table):
    """Said of the table's markers alone: CD45 stands twice as well."""
    names = ["CD3", "CD4", "CD8", "CD19", "CD45", "CD45", "CD3", "CD19", "CD3"]
    x = np.random.default_rng(0).normal(size=(10, len(names))).astype(np.float32)
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        adata = anndata.AnnData(x, var=pd.DataFrame(index=names))
    assert problems_of(adata, table) == [
        "marker 'CD3' stands 3 times in the data: rename or drop all but one",
        "marker 'CD19' stands 2 times in the data: rename or drop all but one",
    ]


@pytest.mark.parametrize(
    ("settings", "role"),
    [
        ({"label_key": "celltype"}, "label_key"),
        ({"batch_key": "celltype"}, "batch_key"),
        ({"categorical_covariates": ["celltype"]}, "categorical_covariates"),
        ({"continuous_covariates": ["celltype"]}, "continuous_covariates"),
    ],
)
def test_unknown_keys_list_those_that_exist(table, settings, role):
    assert problems_of(small_adata(), table, **settings) == [
        f"dataset.{role}: the cells have no column 'celltype'. Did you mean 'cell_type'? "
        "They have: cell_type, batch, age"
    ]


def test_cells_without_columns_say_so(table):
    adata = small_adata()
    adata.obs = adata.obs[[]]
    (problem,) = problems_of(adata, table, batch_key="batch")
    assert problem == "dataset.batch_key: the cells have no column 'batch'. They have: none"


def test_missing_batches_are_counted(table):
    adata = small_adata()
    adata.obs.loc[["cell0", "cell7"], "batch"] = np.nan
    expected = "dataset.batch_key: obs['batch'] is missing in 2 of 600 cells"
    assert problems_of(adata, table, batch_key="batch") == [expected]


def test_text_is_no_continuous_covariate(table):
    assert problems_of(small_adata(), table, continuous_covariates=["batch"]) == [
        "dataset.continuous_covariates: obs['batch'] holds text; "
        "list it under categorical_covariates"
    ]


def test_continuous_covariates_are_finite(table):
    adata = small_adata()
    adata.obs.loc["cell3", "age"] = np.inf
    (problem,) = problems_of(adata, table, continuous_covariates=["age"])
    assert "obs['age']" in problem


def test_fewer_cells_than_populations(table):
    expected = "2 cells are fewer than the 3 populations of the table"
    assert problems_of(small_adata()[:2].copy(), table) == [expected]


def test_as_many_cells_as_populations_are_enough(table):
    assert len(prepare(small_adata()[:3].copy(), table)) == len(table.populations) == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("transform", ["none", "asinh"])
def test_expressions_that_are_not_finite_name_marker_and_count(table, value, transform):
    assert problems_of(changed("CD4", [3, 5], value), table, transform=transform) == [
        "marker 'CD4' has 2 NaN or infinite expressions in 600 cells: "
        "remove these cells or impute them"
    ]


def test_infinities_of_both_signs_are_counted(table):
    adata = changed("CD4", [3, 5], np.inf)
    adata.X[4, 1] = -np.inf
    assert "marker 'CD4' has 3 NaN or infinite" in problems_of(adata, table)[0]


def test_markers_that_the_table_does_not_use_may_be_anything(table):
    assert len(prepare(changed("CD45", slice(None), np.nan), table)) == 600


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_constant_markers_are_refused(table, value):
    assert problems_of(changed("CD8", slice(None), value), table) == [
        f"marker 'CD8' is constant ({value:g} in every cell): drop it from the table"
    ]


@pytest.mark.parametrize("value", [4321.0, -4321.0])
def test_untransformed_cells_are_refused_unless_a_transform_is_asked_for(table, value):
    adata = changed("CD19", 5, value)
    assert problems_of(adata, table) == [
        "the expressions look untransformed: 'CD19' reaches 4,321. Set dataset.transform=auto "
        "(the cells choose), asinh (dataset.cofactor=5 for CyTOF, 150 for flow cytometry) or "
        "logicle, or give transformed data; if they are transformed, set dataset.check_range=false"
    ]
    assert len(prepare(adata, table, transform="asinh")) == 600
    assert len(prepare(adata, table, check_range=False)) == 600


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


def test_cofactors_of_unknown_markers_and_markers_without_one(table):
    assert problems_of(
        small_adata(), table, transform="asinh", cofactor={"CD8a": 5.0, "CD3": 5}
    ) == [
        "dataset.cofactor: the table has no marker 'CD8a'. Did you mean 'CD8'? "
        "It has: CD3, CD4, CD8, CD19",
        "dataset.cofactor: no cofactor for CD4, CD8, CD19: name them too, or say what all others "
        "have, such as {default: 150}",
    ]


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


def test_all_problems_of_names_at_once(table):
    problems = problems_of(
        renamed(CD8="CD8a")[:2].copy(), table, label_key="type", batch_key="plate"
    )
    starts = ("marker 'CD8'", "dataset.label_key", "dataset.batch_key", "2 cells are fewer")
    assert [p.startswith(s) for p, s in zip(problems, starts, strict=True)] == [True] * 4


def test_all_problems_of_expressions_at_once(table):
    adata = changed("CD3", slice(None), 1.0)
    adata.X[0, adata.var_names.get_loc("CD19")] = 1e4
    assert [p.split()[0] for p in problems_of(adata, table)] == ["marker", "the"]


def test_cells_without_expressions_are_refused(table):
    adata = small_adata()
    bare = anndata.AnnData(obs=adata.obs, var=adata.var, layers={"counts": adata.X})
    assert len(problems_of(bare, table)) == 1


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

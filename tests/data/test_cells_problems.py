"""Every problem on the way from AnnData and a table to tensors."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data import KnowledgeTable, load_table
from scyan_exp.errors import InputError
from tests.conftest import small_adata
from tests.data.prepared import changed, prepare, problems_of, renamed


@pytest.fixture
def table(table_file):
    return load_table(table_file)


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
        "marker 'CD3' occurs 3 times in the data: rename or drop all but one",
        "marker 'CD19' occurs 2 times in the data: rename or drop all but one",
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
    expected = (
        "2 cells are fewer than the 3 populations of the table: expected many cells of each. "
        "Give more cells, or leave populations out with table.drop"
    )
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


def test_cofactors_of_unknown_markers_and_markers_without_one(table):
    assert problems_of(
        small_adata(), table, transform="asinh", cofactor={"CD8a": 5.0, "CD3": 5}
    ) == [
        "dataset.cofactor: the table has no marker 'CD8a'. Did you mean 'CD8'? "
        "It has: CD3, CD4, CD8, CD19",
        "dataset.cofactor: no cofactor for CD4, CD8, CD19: name them too, or say what all others "
        "have, such as {default: 150}",
    ]


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


def test_the_labels_are_no_covariate(table):
    expected = (
        "dataset.label_key: obs['cell_type'] is a covariate as well: the model would be told the "
        "populations that it is measured by. Leave it out of the covariates"
    )
    for key in ("batch_key", "categorical_covariates"):
        value = "cell_type" if key == "batch_key" else ["batch", "cell_type"]
        adata = small_adata()
        assert problems_of(adata, table, label_key="cell_type", **{key: value}) == [expected]


def test_covariates_that_nothing_can_be_trained_with(table):
    adata = small_adata()
    adata.obs.loc["cell3", "age"] = -1e30
    assert problems_of(adata, table, continuous_covariates=["age"]) == [
        "dataset.continuous_covariates: obs['age'] reaches 1e+30, too much to train with: bring it "
        "near 1, such as by its mean and standard deviation"
    ]


@pytest.mark.parametrize(("key", "value"), [("age", 4.5), ("batch", "a")])
def test_covariates_that_say_nothing_are_warned_of(table, caplog, key, value):
    adata = small_adata()
    adata.obs[key] = value
    prepare(adata, table, batch_key="batch", continuous_covariates=["age"])
    (said,) = caplog.messages
    assert said.startswith(f"covariate {key!r} is '{value}' in every cell: it tells the model not")


def test_of_many_problems_some_are_told_and_the_others_counted(table):
    names = [f"m{i}" for i in range(84)]
    many = KnowledgeTable(["a", "b"], names, np.ones((2, 84)))
    with pytest.raises(InputError) as caught:
        prepare(small_adata(), many)
    assert len(caught.value.problems) == 84
    lines = str(caught.value).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("84 problems", 22, "  ... and 64 more")

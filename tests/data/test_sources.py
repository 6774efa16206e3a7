"""Reading cells from files: the same numbers whatever the storage, one message when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scyan_exp.data import CsvDataset, H5adDataset
from scyan_exp.data.sources import read_expressions, read_h5ad, select_cells
from scyan_exp.data.tabular import read_csv
from scyan_exp.errors import InputError
from tests.conftest import MARKERS, small_adata

if TYPE_CHECKING:
    from pathlib import Path

STORAGES = {
    "float32": lambda x: x,
    "float64": lambda x: x.astype(float),
    "integers": lambda x: x.astype(np.int32),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr array": sparse.csr_array,
    "csr integers": lambda x: sparse.csr_matrix(x.astype(np.int64)),
    "fortran": np.asfortranarray,
}


def problem_of(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "on disk"])
@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES.keys())
def test_every_storage_of_x_reads_as_the_same_numbers(tmp_path, storage, backed):
    counts = np.random.default_rng(0).poisson(1.0, size=(50, 6)).astype(np.float32)
    names = [f"m{i}" for i in range(6)]
    adata = anndata.AnnData(storage(counts), var=pd.DataFrame(index=names))
    if backed:
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = read_h5ad(tmp_path / "cells.h5ad")
        assert adata.isbacked
    x = read_expressions(adata, ["m4", "m0", "m5"])
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, counts[:, [4, 0, 5]])


@pytest.mark.parametrize("backed", [False, True])
def test_more_cells_than_are_read_at_a_time(tmp_path, backed, monkeypatch):
    monkeypatch.setattr("scyan_exp.data.sources.CHUNK_BYTES", 1000)
    adata = small_adata(503)
    expected = adata[:, ["CD19", "CD3"]].X
    if backed:
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(read_expressions(adata, ["CD19", "CD3"]), expected)


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_a_file_of_an_older_anndata_is_read(older_file):
    adata = read_h5ad(older_file)
    assert adata.obs["cell_type"].tolist() == ["B", "T", "B", "T"]
    np.testing.assert_array_equal(read_expressions(adata, ["CD8", "CD3"])[1], [5, 3])


def test_real_cells_are_read(real_data):
    adata = read_h5ad(real_data / "aml" / "short.h5ad")
    assert read_expressions(adata, list(adata.var_names)).shape == (280, 32)


def test_a_missing_file_names_those_of_similar_names(cells_file):
    message = problem_of(read_h5ad, cells_file.with_name("cell.h5ad"))
    assert message.endswith(
        "cell.h5ad: no such file (expected an .h5ad file). Did you mean 'cells.h5ad'?"
    )


def test_a_missing_folder_is_a_missing_file(tmp_path):
    message = problem_of(read_h5ad, tmp_path / "none" / "cells.h5ad")
    assert message.endswith("cells.h5ad: no such file (expected an .h5ad file).")


@pytest.mark.parametrize(
    ("read", "expected"), [(read_h5ad, "an .h5ad file"), (read_csv, "a CSV file of cells")]
)
def test_a_folder_is_refused(tmp_path, read, expected):
    assert problem_of(read, tmp_path) == f"{tmp_path}: is a folder; expected {expected}"


def test_the_home_folder_has_a_short_name(cells_file, monkeypatch):
    monkeypatch.setenv("HOME", str(cells_file.parent))
    assert read_h5ad("~/cells.h5ad").n_obs == 600


def test_other_files_are_not_h5ad(tmp_path):
    path = tmp_path / "cells.h5ad"
    path.write_text("CD3,CD4\n1,2\n")
    assert "cells.h5ad: not an .h5ad file that anndata can read (" in problem_of(read_h5ad, path)
    with h5py.File(path, "w") as file:
        file["matrix"] = np.zeros((2, 2))
    assert "cells.h5ad: not an .h5ad file that anndata can read (" in problem_of(read_h5ad, path)


@pytest.fixture
def csv(tmp_path):
    """Write the text of a CSV of cells; its path."""

    def write(content: str | bytes) -> Path:
        path: Path = tmp_path / "cells.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_columns_of_numbers_are_markers_the_others_obs(csv, separator, mark):
    text = "CD3,label,CD4\n1,B cells,2.5\n-3,T cells,4e-1\n0.5,,6\n"
    adata = read_csv(csv(mark + text.replace(",", separator).encode()))
    assert adata.var_names.tolist() == ["CD3", "CD4"]
    assert adata.X.dtype == np.float32
    np.testing.assert_allclose(adata.X, [[1, 2.5], [-3, 0.4], [0.5, 6]])
    assert adata.obs["label"].tolist()[:2] == ["B cells", "T cells"]
    assert pd.isna(adata.obs["label"].iloc[2])


def test_csv_columns_named_by_the_user_are_obs(csv):
    adata = read_csv(csv("CD3,plate,CD4\n1,7,2\n3,8,4\n"), obs_columns=["plate", "not there"])
    assert adata.var_names.tolist() == ["CD3", "CD4"]
    assert adata.obs["plate"].tolist() == [7, 8]


def test_csv_missing_numbers_stay_missing(csv):
    adata = read_csv(csv("CD3,CD4\n1,\nNA,2\n"))
    np.testing.assert_array_equal(adata.X, [[1, np.nan], [np.nan, 2]])


def test_csv_stray_text_names_column_and_rows(csv):
    rows = ["1,2,3,4,5", "x,2,3,4,5", "1,2,3,4,5", "1,high,lo,4,5", "?,2,3,4,5", "1,2,3,n.d.,5"]
    with pytest.raises(InputError) as caught:
        read_csv(csv("\n".join(["CD3,CD4,CD8,CD19,CD45", *rows])))
    assert caught.value.problems == [
        "column CD3: expected numbers, found text in row 3 ('x'), row 6 ('?')",
        "column CD4: expected numbers, found text in row 5 ('high')",
        "column CD8: expected numbers, found text in row 5 ('lo')",
        "column CD19: expected numbers, found text in row 7 ('n.d.')",
    ]


def test_csv_many_stray_texts_are_shortened(csv):
    rows = [f"{'x' if i % 3 == 0 else i},1" for i in range(30)]
    message = problem_of(read_csv, csv("\n".join(["CD3,CD4", *rows])))
    assert message.endswith("row 14 ('x'), ... (10 in all)")


WRONG_CSV = {
    "empty": (b"", "not a CSV of cells (No columns to parse from file)"),
    "binary": (b"\x89HDF\xff\xfe", "not a CSV of cells ('utf-8' codec can't decode"),
    "ragged": ("CD3,CD4\n1,2\n1,2,3\n", "not a CSV of cells (Error tokenizing data"),
    "header only": ("CD3,CD4\n", "found 0 rows and "),
    "only text": (
        "label\nB cells\nT cells\n",
        "found 2 rows and 0 columns of numbers; expected one row per cell and one column per "
        "marker",
    ),
}


@pytest.mark.parametrize(("content", "message"), WRONG_CSV.values(), ids=WRONG_CSV.keys())
def test_every_problem_of_a_csv_is_named(csv, content, message):
    assert f"cells.csv: {message}" in problem_of(read_csv, csv(content))


def test_csv_columns_never_shift_under_the_header(csv):
    """Every row has one cell more than the header: which marker is which is not known."""
    assert "cells.csv: " in problem_of(read_csv, csv("CD3,CD4\n1,2,9\n3,4,9\n"))


def test_csv_markers_that_stand_twice_are_refused(csv):
    assert "'CD3'" in problem_of(read_csv, csv("CD3,CD4,CD3\n1,2,9\n3,4,9\n"))


@pytest.mark.parametrize(
    ("subset", "kept"),
    [
        ({}, {("CD4 T cells", "a"), ("B cells", "a"), ("B cells", "b"), ("CD4 T cells", "b")}),
        ({"batch": "a"}, {("CD4 T cells", "a"), ("B cells", "a")}),
        ({"batch": ["a"], "cell_type": "B cells"}, {("B cells", "a")}),
        (
            {"cell_type": ["B cells", "CD4 T cells"], "batch": "b"},
            {("B cells", "b"), ("CD4 T cells", "b")},
        ),
    ],
)
@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "on disk"])
def test_subsets(tmp_path, subset, kept, backed):
    adata = small_adata(60)
    adata = adata[adata.obs["cell_type"] != "CD8 T cells"].copy()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    expected = {
        name for name, row in adata.obs.iterrows() if (row["cell_type"], row["batch"]) in kept
    }
    source = read_h5ad(tmp_path / "cells.h5ad") if backed else adata
    chosen = select_cells(source, subset)
    assert set(chosen.obs_names) == expected
    np.testing.assert_array_equal(
        read_expressions(chosen, MARKERS), adata[chosen.obs_names, MARKERS].X
    )


def test_a_subset_may_name_numbers():
    adata = small_adata(4)
    adata.obs["plate"] = [3, 4, 3, 5]
    assert select_cells(adata, {"plate": 3}).n_obs == 2
    assert select_cells(adata, {"plate": [3, 5]}).n_obs == 3


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (
            {"Batch": "a"},
            "dataset.subset: the cells have no column 'Batch'. Did you mean 'batch'? "
            "They have: cell_type, batch, age",
        ),
        ({"batch": ["a", "c"]}, "dataset.subset: no cell has batch='c'. Found: a, b"),
        (
            {"cell_type": "B cell"},
            "dataset.subset: no cell has cell_type='B cell'. Did you mean 'B cells'? "
            "Found: B cells, CD4 T cells, CD8 T cells",
        ),
    ],
)
def test_unknown_subsets_are_refused(subset, message):
    assert problem_of(select_cells, small_adata(60), subset) == message


def test_all_problems_of_a_subset_at_once():
    message = problem_of(select_cells, small_adata(60), {"plate": 1, "batch": ["c", "d"]})
    assert message.startswith("3 problems")


def test_a_subset_without_cells_is_refused():
    adata = small_adata(60)
    adata = adata[~((adata.obs["batch"] == "a") & (adata.obs["cell_type"] == "B cells"))].copy()
    subset = {"batch": "a", "cell_type": "B cells"}
    message = problem_of(select_cells, adata, subset)
    assert message == f"dataset.subset: no cell satisfies all of {subset}"


def test_cells_without_any_column_have_no_subset():
    bare = anndata.AnnData(np.zeros((2, 1), np.float32))
    assert problem_of(select_cells, bare, {"batch": "a"}).endswith("They have: none")


def test_h5ad_data_sets_stay_on_disk_unless_a_subset_is_asked_for(cells_file):
    assert H5adDataset(path=cells_file).read().isbacked
    chosen = H5adDataset(path=cells_file, subset={"batch": "a"}).read()
    assert not chosen.isbacked
    assert set(chosen.obs["batch"]) == {"a"}


def test_csv_data_sets_take_every_column_they_name_as_obs(csv):
    path = csv("CD3,gate,plate,age,site,note,CD4\n1,1,1,20,1,5,2\n3,2,2,30,1,6,4\n5,1,1,40,2,7,6\n")
    dataset = CsvDataset(
        path=path,
        label_key="gate",
        batch_key="plate",
        continuous_covariates=["age"],
        obs_columns=["note"],
        subset={"site": 1},
    )
    adata = dataset.read()
    assert adata.var_names.tolist() == ["CD3", "CD4"]
    assert adata.obs.columns.tolist() == ["gate", "plate", "age", "site", "note"]
    assert adata.n_obs == 2


def test_markers_that_the_table_does_not_use_may_stand_twice(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        adata = anndata.AnnData(x, var=pd.DataFrame(index=["CD45", "CD3", "CD45", "CD4"]))
    np.testing.assert_array_equal(read_expressions(adata, ["CD4", "CD3"]), x[:, [3, 1]])


def test_a_link_that_leads_nowhere_is_said_to(tmp_path):
    link = tmp_path / "cells.h5ad"
    link.symlink_to(link)
    assert problem_of(read_h5ad, link).endswith(
        "cells.h5ad: is a link that leads to no file (expected an .h5ad file)"
    )


@pytest.mark.parametrize(
    ("name", "of"),
    [("a.csv", "csv"), ("a.FCS", "fcs"), ("a.parquet", "parquet"), ("a.txt", "csv")],
)
def test_files_of_another_format_name_the_option_that_reads_them(tmp_path, name, of):
    (tmp_path / name).write_text("CD3,CD4\n1,2\n")
    assert problem_of(H5adDataset(path=str(tmp_path / name)).read) == (
        f"{tmp_path / name}: expected a file that ends in .h5ad; for this one set dataset={of}"
    )

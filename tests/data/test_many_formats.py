"""Many files of CSV, Parquet and h5ad become one, as FCS files do."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scyan_exp.data import (
    CsvDataset,
    H5adDataset,
    ParquetDataset,
)
from scyan_exp.data.reading import dataset_of
from scyan_exp.errors import InputError
from tests.conftest import MARKERS, small_adata
from tests.data.samples import SIZES, problems_of


def cells(n_cells: int):
    """Cells with labels, an age and a marker more than the table's."""
    return small_adata(n_cells, seed=n_cells)


def write(kind: str, folder: Path) -> None:
    for name, n_cells in SIZES.items():
        adata = cells(n_cells)
        frame = adata.obs.join(adata.to_df())
        if kind == "h5ad":
            adata.write_h5ad(folder / f"{name}.h5ad")
        elif kind == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False)
        else:
            frame.reset_index(drop=True).to_parquet(folder / f"{name}.parquet")


FORMATS = {"h5ad": H5adDataset, "csv": CsvDataset, "parquet": ParquetDataset}


@pytest.mark.parametrize("kind", FORMATS)
def test_other_formats_are_read_alike(tmp_path, kind):
    write(kind, tmp_path)
    dataset = FORMATS[kind](
        path=str(tmp_path), label_key="cell_type", continuous_covariates=["age"]
    )
    adata = dataset.read_for(MARKERS)
    expected = [cells(n) for n in SIZES.values()]
    assert adata.obs["sample"].value_counts(sort=False).to_dict() == SIZES
    assert adata.var_names.tolist() == [*MARKERS, "CD45"]
    np.testing.assert_allclose(adata.X, np.vstack([one.X for one in expected]), rtol=1e-6)
    for column in ("cell_type", "batch"):
        told = pd.concat([one.obs[column].astype(str) for one in expected])
        assert adata.obs[column].astype(str).tolist() == told.tolist()
    ages = pd.concat([one.obs["age"] for one in expected])
    np.testing.assert_allclose(adata.obs["age"], ages)
    assert len(dataset.sources()) == 3
    look = dataset.model_copy(update={"n_cells_per_file": 45}).read_for(MARKERS)
    assert look.n_obs == 130


@pytest.mark.parametrize("kind", FORMATS)
def test_a_single_file_is_as_it_was(tmp_path, kind):
    write(kind, tmp_path)
    path = tmp_path / f"p1_day0.{kind}"
    adata = FORMATS[kind](path=str(path), continuous_covariates=["age"]).read_for(MARKERS)
    assert adata.isbacked == (kind == "h5ad")
    assert "sample" not in adata.obs
    assert adata.var_names.tolist() == [*MARKERS, "CD45"]
    assert dataset_of(path) == dataset_of(tmp_path) == dataset_of(tmp_path / f"*.{kind}") == kind


def test_columns_of_a_single_csv_may_be_named_loosely(tmp_path):
    (tmp_path / "a.csv").write_text("147Sm_CD3,cd-4,other\n1,2,3\n")
    adata = CsvDataset(path=str(tmp_path / "a.csv")).read_for(["CD3", "CD4"])
    assert adata.var_names.tolist() == ["CD3", "CD4", "other"]


def test_text_and_numbers_under_one_name(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "a.csv").write_text("CD3,gate,x\n1,B,1\n")
    (tmp_path / "b.csv").write_text("CD3,gate,y\n1,,1\n")
    adata = CsvDataset(path=str(tmp_path)).read_for(["CD3"])
    assert adata.obs["gate"].tolist()[0] == "B"
    assert pd.isna(adata.obs["gate"].tolist()[1])
    assert "Left out, because not all files have them: x, y" in caplog.text
    (tmp_path / "c.csv").write_text("gate,CD3\n1,high\n")
    (told,) = problems_of(CsvDataset(path=str(tmp_path)).read_for, ["CD3"])
    assert told.endswith("c.csv: column 'CD3' holds text here, and numbers in other files")


def test_columns_of_obs_that_all_h5ad_have_are_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    for i, name in enumerate(["site", "plate"]):
        adata = cells(20)
        adata.obs[name] = i
        adata.obs["day"] = pd.Categorical([i] * 20) if i else pd.Categorical(["none"] * 20)
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
    obs = H5adDataset(path=str(tmp_path)).read_for(MARKERS).obs
    assert obs.columns.tolist() == ["sample", "cell_type", "batch", "age", "day"]
    assert obs["day"].tolist() == ["1"] * 20 + ["none"] * 20
    assert "Left out of obs, because not all files have them: plate, site" in caplog.text


def test_h5ad_without_expressions_are_named(tmp_path):
    cells(20).write_h5ad(tmp_path / "a.h5ad")
    anndata.AnnData(obs=cells(20).obs, var=cells(20).var).write_h5ad(tmp_path / "b.h5ad")
    (told,) = problems_of(H5adDataset(path=str(tmp_path)).read_for, MARKERS)
    assert told.endswith("b.h5ad: the cells have no expressions: X is missing")


def test_sparse_h5ad_become_dense_together(tmp_path):
    for i in range(2):
        adata = cells(20)
        adata.X = sparse.csr_matrix(adata.X) if i else adata.X
        adata.write_h5ad(tmp_path / f"{i}.h5ad")
    x = H5adDataset(path=str(tmp_path)).read_for(MARKERS).X
    np.testing.assert_array_equal(x, np.vstack([cells(20).X] * 2))


def test_lines_may_end_as_on_old_machines(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_bytes(b"CD3,CD4\r1,2\r3,4\r")
    assert CsvDataset(path=str(tmp_path)).read().X.tolist() == [[1, 2], [3, 4]] * 2


def test_the_index_that_pandas_writes_is_no_marker(tmp_path):
    for name in "ab":
        small_adata(9).to_df().to_csv(tmp_path / f"{name}.csv")
    adata = CsvDataset(path=str(tmp_path)).read_for(MARKERS)
    assert set(MARKERS) <= set(adata.var_names)
    assert "" not in adata.var_names


def test_a_first_line_without_end_is_refused(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("x" * 200_000)
    with pytest.raises(InputError, match="not a CSV of cells"):
        CsvDataset(path=str(tmp_path)).read()

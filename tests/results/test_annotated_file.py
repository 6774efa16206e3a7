"""``annotated.h5ad``: the cells as they were, with their annotation."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scyan_exp.data import CsvDataset
from scyan_exp.data.sources import read_h5ad
from scyan_exp.results.annotation import write_annotated
from tests.data.conftest import write_older_h5ad
from tests.results.conftest import make_annotation

N = 40


def full_adata(storage=np.array) -> anndata.AnnData:
    """Cells that use every part of an AnnData."""
    rng = np.random.default_rng(0)
    x = storage(rng.poisson(1.0, size=(N, 5)).astype(np.float32))
    names = [f"cell{i}" for i in range(N)]
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * (N // 2)), "n": range(N)}, names)
    obs["note"] = pd.Categorical([None, "x"] * (N // 2))
    var = pd.DataFrame({"kind": pd.Categorical(list("ababa"))}, index=[f"m{i}" for i in range(5)])
    return anndata.AnnData(
        x,
        obs=obs,
        var=var,
        uns={"origin": "here", "nested": {"colors": np.array(["red", "blue"])}},
        obsm={"X_umap": rng.normal(size=(N, 2)), "frame": pd.DataFrame({"q": range(N)}, names)},
        varm={"loadings": rng.normal(size=(5, 2))},
        obsp={"graph": sparse.eye(N, format="csr")},
        varp={"spill": np.eye(5)},
        layers={"raw": sparse.csr_matrix(rng.poisson(1.0, size=(N, 5)))},
    )


def annotated(n_cells: int = N):
    return make_annotation(["B", "T"], np.arange(n_cells) % 2, markers=["m0", "m2", "m3"])


def dense(x) -> np.ndarray:
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def assert_same_but_annotated(before: anndata.AnnData, after: anndata.AnnData, annotation):
    np.testing.assert_array_equal(dense(after.X), dense(before.X))
    assert sparse.issparse(after.X) == sparse.issparse(before.X)
    assert after.X.dtype == before.X.dtype
    pd.testing.assert_frame_equal(after.var, before.var)
    pd.testing.assert_frame_equal(after.obs[before.obs.columns], before.obs)
    pd.testing.assert_frame_equal(
        after.obs.drop(columns=before.obs.columns).reset_index(drop=True), annotation.obs()
    )
    assert after.uns["origin"] == "here"
    assert after.uns["nested"]["colors"].tolist() == ["red", "blue"]
    assert after.uns["scyan_markers"].tolist() == ["m0", "m2", "m3"]
    np.testing.assert_array_equal(after.obsm["X_scyan"], annotation.latent)
    np.testing.assert_array_equal(after.obsm["X_umap"], before.obsm["X_umap"])
    pd.testing.assert_frame_equal(after.obsm["frame"], before.obsm["frame"])
    for part in ("varm", "obsp", "varp", "layers"):
        ours, theirs = getattr(after, part), getattr(before, part)
        assert list(ours) == list(theirs)
        for name in theirs:
            np.testing.assert_array_equal(dense(ours[name]), dense(theirs[name]))


STORAGES = {"dense": np.array, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES.keys())
@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "on disk"])
def test_the_file_holds_the_cells_and_their_annotation(tmp_path, storage, backed):
    source, before, annotation = tmp_path / "cells.h5ad", full_adata(storage), annotated()
    before.write_h5ad(source)
    content = source.read_bytes()
    adata = read_h5ad(source) if backed else before
    write_annotated(adata, annotation, tmp_path / "run" / "annotated.h5ad")
    after = anndata.read_h5ad(tmp_path / "run" / "annotated.h5ad")
    assert_same_but_annotated(full_adata(storage), after, annotation)
    assert source.read_bytes() == content
    assert "scyan_pop" not in adata.obs
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["annotated.h5ad"]


def test_a_view_is_written_as_what_it_shows(tmp_path):
    write_annotated(full_adata()[5:15], annotated(10), tmp_path / "annotated.h5ad")
    after = anndata.read_h5ad(tmp_path / "annotated.h5ad")
    np.testing.assert_array_equal(after.X, full_adata()[5:15].X)
    assert after.obs_names.tolist() == [f"cell{i}" for i in range(5, 15)]
    assert after.obs["scyan_pop"].tolist() == ["B", "T"] * 5


@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "on disk"])
def test_raw_is_kept(tmp_path, backed):
    adata = full_adata()
    adata.raw = adata.copy()
    adata = adata[:, ["m0", "m2", "m3"]].copy()
    if backed:
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = read_h5ad(tmp_path / "cells.h5ad")
    write_annotated(adata, annotated(), tmp_path / "annotated.h5ad")
    after = anndata.read_h5ad(tmp_path / "annotated.h5ad")
    np.testing.assert_array_equal(after.raw.X, full_adata().X)


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_a_file_of_an_older_anndata_is_annotated(tmp_path):
    write_older_h5ad(tmp_path / "older.h5ad")
    adata = read_h5ad(tmp_path / "older.h5ad")
    write_annotated(adata, annotated(4), tmp_path / "annotated.h5ad")
    after = anndata.read_h5ad(tmp_path / "annotated.h5ad")
    assert after.obs["cell_type"].tolist() == ["B", "T", "B", "T"]
    assert after.var["kind"].tolist() == ["lineage", "lineage", "state"]
    assert after.obs["scyan_pop"].tolist() == ["B", "T", "B", "T"]
    np.testing.assert_array_equal(after.X, np.arange(12).reshape(4, 3))


def test_cells_of_a_csv_without_all_labels_are_annotated(tmp_path):
    (tmp_path / "cells.csv").write_text("m0,m2,m3,gate\n1,2,3,B\n1,2,4,\n1,3,5,T\n")
    adata = CsvDataset(path=tmp_path / "cells.csv", label_key="gate").read()
    write_annotated(adata, annotated(3), tmp_path / "annotated.h5ad")
    after = anndata.read_h5ad(tmp_path / "annotated.h5ad")
    assert after.obs["gate"].astype(object).fillna("-").tolist() == ["B", "-", "T"]


@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "on disk"])
def test_an_annotated_file_can_be_annotated_again(tmp_path, backed):
    path = tmp_path / "annotated.h5ad"
    write_annotated(full_adata(), annotated(), path)
    adata = read_h5ad(path) if backed else anndata.read_h5ad(path)
    other = make_annotation(["NK", "Mono"], np.zeros(N, int), markers=["m1", "m2", "m3"])
    write_annotated(adata, other, path)
    after = anndata.read_h5ad(path)
    assert set(after.obs["scyan_pop"]) == {"NK"}
    assert after.uns["scyan_markers"].tolist() == ["m1", "m2", "m3"]
    np.testing.assert_array_equal(after.obsm["X_scyan"], other.latent)


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "annotated.h5ad"
    write_annotated(full_adata(), annotated(), path)
    content = path.read_bytes()
    adata = full_adata()
    adata.uns["unwritable"] = object()
    with pytest.raises(Exception, match="No method registered for writing"):
        write_annotated(adata, annotated(), path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]

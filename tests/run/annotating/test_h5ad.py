"""Files of any size, streamed: the same as in memory, and all else stays as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix

import scyan_exp
from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.cells import encode_cells
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.errors import InputError
from scyan_exp.results.correction import correct
from scyan_exp.run.annotating import h5ad
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.files import annotate_files
from scyan_exp.run.annotating.h5ad import H5adSteps
from scyan_exp.run.annotating.models import load_members
from scyan_exp.run.annotating.plan import Job
from scyan_exp.run.annotating.ways import Task
from tests.conftest import MARKERS, small_adata

#: How X may be stored.
KINDS = {
    "in one piece": (lambda x: x, {}),
    "compressed": (lambda x: x, {"compression": "gzip"}),
    "float64": (lambda x: x.astype(np.float64), {}),
    "sparse by rows": (csr_matrix, {}),
    "sparse by columns": (csc_matrix, {}),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few hundred cells, so that a small file has several."""
    monkeypatch.setattr(h5ad, "CHUNK_SIZE", 100)
    monkeypatch.setattr(h5ad, "BLOCK_BYTES", 1)


def rich(n_cells: int = 730) -> anndata.AnnData:
    """Cells with something in every part of the file."""
    adata = small_adata(n_cells, seed=5)
    adata.layers["raw"] = np.arange(5.0 * n_cells).reshape(n_cells, 5)
    adata.obsm["X_umap"] = adata.X[:, :2].copy()
    adata.varm["loadings"] = np.eye(5)
    adata.obsp["near"] = csr_matrix((n_cells, n_cells))
    adata.uns["said"] = {"by": "somebody", "when": 3}
    adata.raw = adata.copy()
    return adata


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", ["single", "several"])
def test_a_file_becomes_what_its_cells_become_in_memory(trained, tmp_path, small_blocks, run, kind):
    make, options = KINDS[kind]
    cells = rich()
    cells.X = make(cells.X)
    cells.write_h5ad(tmp_path / "new.h5ad", **options)
    before = (tmp_path / "new.h5ad").read_bytes()
    (done,) = annotate_files(trained / run, [tmp_path / "new.h5ad"], tmp_path / "out")
    assert (tmp_path / "new.h5ad").read_bytes() == before
    found = anndata.read_h5ad(done.output)
    scyan_exp.annotate(trained / run, cells)
    pd.testing.assert_frame_equal(found.obs, cells.obs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.obsm["X_scyan"], cells.obsm["X_scyan"], rtol=1e-4, atol=1e-4)
    whole = [one.toarray() if kind.startswith("sparse") else one for one in (found.X, cells.X)]
    np.testing.assert_array_equal(*whole)
    pd.testing.assert_frame_equal(found.var, cells.var)
    for group, name in (("layers", "raw"), ("obsm", "X_umap"), ("varm", "loadings")):
        np.testing.assert_array_equal(getattr(found, group)[name], getattr(cells, group)[name])
    assert found.uns["said"] == {"by": "somebody", "when": 3}
    assert found.uns["scyan_markers"].tolist() == ["CD3", "CD4", "CD8", "CD19"]
    assert found.raw.shape == (730, 5)
    assert found.obsp["near"].shape == (730, 730)
    assert done.n_cells == 730
    assert done.n_unannotated == cells.obs["scyan_pop"].isna().sum()
    assert done.busy.total > 0


@pytest.mark.parametrize("kind", ["in one piece", "sparse by rows"])
def test_corrected_expressions_are_a_layer(trained, tmp_path, small_blocks, kind):
    cells = rich()
    cells.X = KINDS[kind][0](cells.X)
    cells.write_h5ad(tmp_path / "new.h5ad")
    path, out = tmp_path / "new.h5ad", tmp_path / "out"
    (done,) = annotate_files(trained / "single", [path], out, batch_ref="b")
    found = anndata.read_h5ad(done.output)
    model = scyan_exp.read_run(trained / "single").model
    inputs = encode_cells(rich(), model.table, model.preprocessing, model.encoding)
    layer = found.layers["scyan_corrected"]
    np.testing.assert_allclose(layer[:, :4], correct(model, *inputs, "b"), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(layer[:, 4], rich().X[:, 4])
    np.testing.assert_array_equal(found.layers["raw"], rich().layers["raw"])
    (table,) = annotate_files(trained / "single", [path], out, result="csv", batch_ref="b")
    columns = pd.read_csv(table.output)[[f"scyan_corrected_{name}" for name in MARKERS]]
    np.testing.assert_allclose(columns, layer[:, :4], rtol=1e-4, atol=1e-4)


def test_a_batch_that_the_model_does_not_know_is_refused(trained, tmp_path):
    small_adata(50).write_h5ad(tmp_path / "new.h5ad")
    with pytest.raises(InputError, match=r"correct\.batch_ref: 'z' is no batch of obs\['batch'\]"):
        annotate_files(trained / "single", [tmp_path / "new.h5ad"], tmp_path, batch_ref="z")


def test_an_annotated_file_is_annotated_anew(trained, tmp_path):
    """By another model: nothing is left of the first annotation."""
    path, out = tmp_path / "new.h5ad", tmp_path / "out"
    rich(80).write_h5ad(path)
    proba = PredictConfig(proba=True)
    (first,) = annotate_files(trained / "several", [path], out, settings=proba, batch_ref="b")
    assert "scyan_corrected" in anndata.read_h5ad(first.output, backed="r").layers
    (again,) = annotate_files(trained / "single", [first.output], out)
    assert again.output.name == "new.annotated.annotated.h5ad"
    (fresh,) = annotate_files(trained / "single", [path], tmp_path / "fresh")
    found, expected = anndata.read_h5ad(again.output), anndata.read_h5ad(fresh.output)
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    for part in ("obsm", "layers", "uns"):
        assert set(getattr(found, part)) == set(getattr(expected, part))


def indexed(name: str) -> anndata.AnnData:
    cells = small_adata(50)
    cells.obs.index.name = name
    return cells


#: The name of the index, of the column that is added, and of a column of metadata.
OVERWRITTEN = {
    "key": ("kind", "kind", "x", "overwrite the column 'kind' of the cells, which holds their"),
    "log": ("scyan_log_prob", "kind", "x", "overwrite the column 'scyan_log_prob' of the cells"),
    "index": ("id", "kind", "id", "metadata: its column 'id' would overwrite the column with the"),
    "marker": ("id", "kind", "CD4", "metadata: its column 'CD4' would overwrite a marker of the"),
    "added": ("id", "kind", "kind_level", "'kind_level' would overwrite a column that the"),
    "ours": ("id", "scyan_latent", "x", "names that begin with 'scyan_' are the program's own"),
}


@pytest.mark.parametrize("result", ["h5ad", "csv"])
@pytest.mark.parametrize("what", OVERWRITTEN)
def test_no_column_takes_the_place_of_another(trained, tmp_path, what, result):
    index, key, column, words = OVERWRITTEN[what]
    if result == "csv" and index in (key, "scyan_log_prob", column):
        index, key, column = "id", "cell" if index == key else key, "cell"
        words = "would overwrite the column"
    indexed(index).write_h5ad(tmp_path / "new.h5ad")
    (tmp_path / "sheet.csv").write_text(f"file,{column}\nnew,7\n")
    with pytest.raises(InputError, match=re.escape(words)):
        annotate_files(
            *(trained / "single", [tmp_path / "new.h5ad"], tmp_path / "out"),
            result=result,
            settings=PredictConfig(key_added=key),
            metadata=tmp_path / "sheet.csv",
        )
    assert not (tmp_path / "out").exists()


def test_what_came_out_is_said_in_a_file(trained, tmp_path):
    small_adata(200).write_h5ad(tmp_path / "new.h5ad")
    (done,) = annotate_files(trained / "single", [tmp_path / "new.h5ad"], tmp_path / "out")
    said = json.loads((tmp_path / "out" / "annotated.json").read_text())
    entry = said["files"]["new.annotated.h5ad"]
    obs = anndata.read_h5ad(done.output).obs
    counts = obs["scyan_pop"].value_counts()
    assert entry["cells"] == 200
    assert entry["unannotated"] == obs["scyan_pop"].isna().sum()
    assert entry["populations"] == {name: counts[name] for name in entry["populations"]}
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"annotated.json", "new.annotated.h5ad"}


def test_files_that_are_done_are_left_alone_until_something_changes(trained, tmp_path):
    path, out = tmp_path / "new.h5ad", tmp_path / "out"
    small_adata(200).write_h5ad(path)

    def again(run: str = "single", cells: int | None = None) -> bool:
        """Whether the file was annotated."""
        if cells:
            small_adata(cells).write_h5ad(path)
        (done,) = annotate_files(trained / run, [path], out)
        return done.busy is not None

    assert again()
    assert not again()
    assert again("several")
    assert again("single", cells=201)
    assert not again()
    (out / "new.annotated.h5ad").write_bytes(b"damaged")
    assert again()
    assert anndata.read_h5ad(out / "new.annotated.h5ad").n_obs == 201
    (out / "annotated.json").write_text("{")
    assert again()


def test_the_result_of_another_file_is_not_written_over(trained, tmp_path):
    """Unless it is the same file in another place."""
    out, paths = tmp_path / "out", [tmp_path / day / "new.h5ad" for day in ("one", "two")]
    for n_cells, path in zip((50, 60), paths, strict=True):
        path.parent.mkdir()
        small_adata(n_cells).write_h5ad(path)
    annotate_files(trained / "single", paths[:1], out)
    with pytest.raises(InputError) as raised:
        annotate_files(trained / "single", paths[1:], out)
    told = f"new.annotated.h5ad is the result of another file, {paths[0]}, and would be written"
    assert told in str(raised.value)
    moved = paths[0].rename(tmp_path / "new.h5ad")
    (done,) = annotate_files(trained / "single", [moved], out)
    assert done.busy is None
    assert done.n_cells == 50


def test_expressions_that_are_not_finite_do_not_keep_other_files(trained, tmp_path, small_blocks):
    bad, out = small_adata(300), tmp_path / "out"
    bad.X[250, 1] = np.nan
    paths = [tmp_path / f"{name}.h5ad" for name in ("a", "bad", "c")]
    for path in paths:
        (bad if path.stem == "bad" else small_adata(300)).write_h5ad(path)
    with pytest.raises(InputError) as raised:
        annotate_files(trained / "single", paths, out)
    told = str(raised.value)
    assert told.startswith(f"{paths[1]}: marker 'CD4' has 1 NaN or infinite")
    assert f"The other files are annotated, in {out}: a.h5ad, c.h5ad. The same" in told
    left = {path.name for path in out.iterdir()}
    assert left == {"annotated.json", "a.annotated.h5ad", "c.annotated.h5ad"}
    with pytest.raises(InputError) as raised:
        annotate_files(trained / "single", paths[1:2], tmp_path / "alone")
    assert "other files" not in str(raised.value)


def test_the_sample_of_a_large_file_is_of_all_its_parts(trained, tmp_path):
    cells = small_adata(25_000)
    cells.X[:, 0] = np.arange(25_000)
    cells.write_h5ad(tmp_path / "new.h5ad")
    with H5adBlocks(tmp_path / "new.h5ad") as blocks:
        job = Job(tmp_path / "new.h5ad", "h5ad", tmp_path / "out.h5ad", "h5ad")
        task = Task(job, Annotator(load_members(trained / "single")))
        sample = H5adSteps(blocks, task).sample()
    assert sample.shape == (10_000, 4)
    assert sample[0, 0] == 0
    assert sample[-1, 0] == 24_999
    assert np.diff(sample[:, 0]).max() < 300


def test_markers_far_from_the_training_cells_are_warned_of(trained, tmp_path, caplog):
    cells = small_adata(500)
    cells.X[:, 3] += 3
    cells.write_h5ad(tmp_path / "new.h5ad")
    annotate_files(trained / "single", [tmp_path / "new.h5ad"], tmp_path / "out")
    first, marker = (one.getMessage() for one in caplog.records if one.levelname == "WARNING")
    assert first.startswith("new.h5ad: 1 of 4 markers are far from the training cells")
    assert marker.startswith("new.h5ad: marker 'CD19': 99% of the cells from")


def spoilt(path: Path, cells: anndata.AnnData) -> Path:
    cells.write_h5ad(path)
    return path


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(trained, tmp_path):
    cells, renamed = small_adata(50), small_adata(50)
    renamed.var_names = ["CD3", "CD-4", "CD8", "CD20", "CD45"]
    cells.obs["batch"] = cells.obs["batch"].astype(str)
    cells.obs.loc["cell3", "batch"] = "c"
    cells.obs.loc["cell4", "age"] = np.inf
    no_x = anndata.AnnData(obs=small_adata(50).obs, var=small_adata(50).var)
    paths = [
        spoilt(tmp_path / "a.h5ad", renamed),
        spoilt(tmp_path / "b.h5ad", cells),
        spoilt(tmp_path / "c.h5ad", small_adata(50)[:, :4].copy()),
        spoilt(tmp_path / "d.h5ad", no_x),
        spoilt(tmp_path / "e.h5ad", small_adata(50)[:0].copy()),
    ]
    (tmp_path / "f.h5ad").write_text("no")
    del_batch = small_adata(50)
    del del_batch.obs["batch"]
    paths += [tmp_path / "f.h5ad", spoilt(tmp_path / "g.h5ad", del_batch)]
    with pytest.raises(InputError) as raised:
        annotate_files(trained / "single", paths, tmp_path / "out")
    told = raised.value.problems
    expected = [
        ("a.h5ad", "marker 'CD19' of the table is not in the data"),
        ("b.h5ad", "obs['batch'] has 'c'; the model knows 'a', 'b'"),
        ("b.h5ad", "obs['age'] is not a finite number in 1 of 50 cells"),
        ("d.h5ad", "the cells have no expressions: X is missing"),
        ("e.h5ad", "it holds no cells"),
        ("f.h5ad", "not an .h5ad file that can be read"),
        ("g.h5ad", "covariate: the cells have no column 'batch'"),
    ]
    for name, words in expected:
        assert any(one.startswith(f"{tmp_path / name}: {words}") for one in told), "\n".join(told)
    assert not any("c.h5ad" in one for one in told)
    assert not (tmp_path / "out").exists()


def test_the_file_is_as_anndata_writes_it(trained, tmp_path):
    """Encodings stand at everything that was added, so other programs read it too."""
    small_adata(50).write_h5ad(tmp_path / "new.h5ad")
    (done,) = annotate_files(trained / "single", [tmp_path / "new.h5ad"], tmp_path / "out")
    with h5py.File(done.output) as file:
        assert file["obs/scyan_log_prob"].attrs["encoding-type"] == "array"
        assert file["obs/scyan_pop"].attrs["encoding-type"] == "categorical"
        assert file["obsm/X_scyan"].attrs["encoding-version"] == "0.2.0"
        assert len(set(file["obs"].attrs["column-order"])) == len(file["obs"]) - 1

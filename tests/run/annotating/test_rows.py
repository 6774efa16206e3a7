"""CSV and Parquet: rows stay as they stand, with columns behind them, whatever they came from."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import scyan_exp
from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.covariates import CovariateEncoding
from scyan_exp.data.tabular import read_csv
from scyan_exp.errors import InputError
from scyan_exp.run.annotating import row_sources
from scyan_exp.run.annotating.files import annotate_files
from scyan_exp.run.annotating.row_sources import CsvRows
from tests.conftest import MARKERS, small_adata

ADDED = ["scyan_pop", "scyan_log_prob", "scyan_confidence"]
ADDED = [*ADDED, "scyan_pop_level", "scyan_confidence_level"]


@pytest.fixture
def small_blocks(monkeypatch):
    """Rows in blocks of a few."""
    monkeypatch.setattr(row_sources, "ROWS", 70)


def frame(n_cells: int = 250) -> pd.DataFrame:
    """Cells as a table, with a text, a batch and an age."""
    adata = small_adata(n_cells, seed=3)
    described = adata.obs[["batch", "age"]].astype({"batch": str})
    table = pd.concat([described, adata.to_df()], axis=1).reset_index(drop=True)
    return table.assign(note=[f'a "quoted", text {i}' for i in range(n_cells)])


def expected(run: Path, n_cells: int = 250) -> pd.DataFrame:
    adata = small_adata(n_cells, seed=3)
    scyan_exp.annotate(run, adata)
    return adata.obs


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path, row_group_size=90)
    elif path.suffix == ".h5ad":
        obs = table.drop(columns=[*MARKERS, "CD45"]).set_axis(table.index.astype(str))
        x = table[[*MARKERS, "CD45"]].to_numpy(np.float32)
        var = pd.DataFrame(index=[*MARKERS, "CD45"])
        anndata.AnnData(x, obs=obs, var=var).write_h5ad(path)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("source", ["csv", "tsv", "parquet", "h5ad"])
@pytest.mark.parametrize("result", ["csv", "parquet"])
@pytest.mark.parametrize("run", ["single", "several"])
def test_rows_are_annotated_as_in_memory(trained, tmp_path, small_blocks, run, source, result):
    path = write(frame(), tmp_path / f"new.{source}")
    (done,) = annotate_files(trained / run, [path], tmp_path / "out", result=result)
    found = pd.read_csv(done.output) if result == "csv" else pd.read_parquet(done.output)
    obs = expected(trained / run)
    for name in [one for one in obs if one.startswith("scyan")]:
        if obs[name].dtype == "category":
            assert (
                found[name].astype(object).fillna("").tolist()
                == obs[name].astype(object).fillna("").tolist()
            )
        else:
            np.testing.assert_allclose(found[name], obs[name], rtol=1e-4, atol=1e-4)
    for name in [*MARKERS, "age"]:
        np.testing.assert_allclose(found[name], frame()[name], rtol=1e-6)
    assert found["note"].tolist() == frame()["note"].tolist()
    assert done.n_unannotated == obs["scyan_pop"].isna().sum()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "annotated.json",
        f"new.annotated.{result}",
    ]


def test_texts_of_a_csv_stay_as_they_stand(trained, tmp_path, small_blocks):
    """Numbers are not rounded or written otherwise, whatever they look like."""
    table = frame(90).astype(str)
    table["age"], table["id"] = "0.50", "007"
    table["CD45"] = ["", "NA", "1e3"] * 30
    path = write(table, tmp_path / "new.csv")
    (done,) = annotate_files(trained / "single", [path], tmp_path / "out", result="csv")
    found = pd.read_csv(done.output, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(found[table.columns], table)
    assert found.columns.tolist() == [*table.columns, *ADDED]


def test_types_of_a_parquet_file_stay_as_they_are(trained, tmp_path, small_blocks):
    table = frame(120)
    table["count"] = pd.array([1, None, 3] * 40, "Int32")
    table["when"] = pd.Timestamp("2026-11-22")
    table["batch"] = table["batch"].astype("category")
    path = write(table, tmp_path / "new.parquet")
    (done,) = annotate_files(trained / "single", [path], tmp_path / "out", result="parquet")
    before, after = (pyarrow.parquet.read_schema(one) for one in (path, done.output))
    for field in before:
        assert after.field(field.name).type == field.type
    assert after.names == [*before.names, *ADDED]


@pytest.mark.parametrize("result", ["csv", "parquet", "h5ad"])
def test_an_annotated_table_is_annotated_anew(trained, tmp_path, caplog, result):
    """Nothing is left of the first annotation; of unknown members one is told."""
    path, out = write(frame(40), tmp_path / "new.csv"), tmp_path / "out"
    options = {"result": "csv", "settings": PredictConfig(proba=True), "batch_ref": "b"}
    (first,) = annotate_files(trained / "several", [path], out, **options)
    table = pd.read_csv(first.output)
    assert {"scyan_proba_B cells", "scyan_corrected_CD4", "scyan_pop_seed_4"} <= set(table)
    table["scyan_pop_run1"] = "B cells"
    write(table, first.output)
    (again,) = annotate_files(trained / "single", [first.output], out, result=result)
    assert "scyan_pop_run1 may be the populations of its members" in caplog.text
    if result == "h5ad":
        found = anndata.read_h5ad(again.output)
        assert found.var_names.tolist() == ["age", *MARKERS, "CD45"][-5:]
        found = found.obs
        own = ["sample", "batch", "note", "age", "scyan_pop_run1"]
    else:
        found = pd.read_csv(again.output) if result == "csv" else pd.read_parquet(again.output)
        own = [*frame(1), "scyan_pop_run1", *(["sample"] if result == "parquet" else [])]
    assert set(found) == {*own, *ADDED}
    assert not found.columns.duplicated().any()
    assert found["scyan_pop"].tolist() == expected(trained / "single", 40)["scyan_pop"].tolist()


@pytest.mark.parametrize("start", [0, 70, 100, 249])
def test_rows_of_a_csv_go_on_behind_those_that_are_done(tmp_path, small_blocks, start):
    """Whatever lines are empty, and whatever texts have several."""
    table = frame().assign(note=[f"two\nlines {i}" if i % 7 == 0 else str(i) for i in range(250)])
    lines = table.to_csv(tmp_path / "new.csv") or (tmp_path / "new.csv").read_text().split("\n")
    lines[1:1] = lines[5:5] = ["", ""]
    (tmp_path / "new.csv").write_text("\n".join(lines))
    rows = CsvRows(tmp_path / "new.csv")
    found = pd.concat(rows.frames(None, start))
    assert found.columns.tolist() == ["", *table]  # without a name as in the file
    assert found["note"].tolist() == table["note"].tolist()[start:]


def test_all_columns_of_an_h5ad_file_are_kept(trained, tmp_path):
    path = tmp_path / "new.h5ad"
    cells = small_adata(40)
    cells.obs["cell"] = "mine"
    cells.obs["flag"] = pd.array([True, None] * 20, "boolean")
    cells.write_h5ad(path)
    (done,) = annotate_files(trained / "single", [path], tmp_path / "out", result="csv")
    found = pd.read_csv(done.output)
    own = ["_cell", *cells.obs, *MARKERS, "CD45"]
    assert found.columns.tolist() == [*own, *ADDED]
    assert found["_cell"].tolist() == cells.obs_names.tolist()
    assert found["flag"].isna().sum() == 20
    np.testing.assert_allclose(found["CD45"], cells.X[:, 4], rtol=1e-6)
    cells.obs["CD45"] = 1.0
    cells.write_h5ad(path)
    with pytest.raises(InputError, match="column 'CD45' occurs 2 times"):
        annotate_files(trained / "single", [path], tmp_path / "out", result="csv")


@pytest.mark.parametrize("source", ["csv", "h5ad", "parquet"])
def test_a_column_that_begins_empty_becomes_parquet(trained, tmp_path, small_blocks, source):
    table = frame()
    table["late"] = pd.Series([None] * 200 + ["text"] * 50, dtype=object)
    table["flag"] = pd.Series([None] * 200 + [True, False] * 25, dtype="boolean")
    path = write(table, tmp_path / f"new.{source}")
    (done,) = annotate_files(trained / "single", [path], tmp_path / "out", result="parquet")
    found = pd.read_parquet(done.output)
    assert found["late"].isna().sum() == 200
    assert found["late"].astype(object)[249] == "text"
    assert bool(found["flag"].astype(object)[200]) is True


def test_what_parquet_cannot_hold_is_told(trained, tmp_path, small_blocks):
    cells = small_adata(40)
    cells.obs["wave"] = np.full(40, 1 + 2j)
    cells.write_h5ad(tmp_path / "new.h5ad")
    with pytest.raises(InputError, match=r"new\.h5ad: cannot become a Parquet file \(.*complex"):
        annotate_files(
            trained / "single", [tmp_path / "new.h5ad"], tmp_path / "out", result="parquet"
        )
    assert not list((tmp_path / "out").iterdir())


#: Batches in the training, and in new cells.
WORDS = {
    "numbers": (["01", "02"], ["02", "01"]),
    "among texts": (["01", "02", "A3"], ["02", "01"]),
    "texts among them": (["01", "02"], ["1", "2.0"]),
    "truth": (["TRUE", "FALSE"], ["FALSE", "TRUE"]),
}


@pytest.mark.parametrize("what", WORDS)
def test_the_words_of_batches_mean_the_same_in_training_and_later(tmp_path, what):
    """Read as text, and as what pandas takes them for."""
    trained, new = WORDS[what]
    for name, words in (("trained", trained), ("new", new)):
        pd.DataFrame({"CD3": range(len(words)), "batch": words}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    obs = read_csv(tmp_path / "trained.csv", ["batch"]).obs
    encoding = CovariateEncoding.fit(obs, ["batch"], [])
    (text,) = CsvRows(tmp_path / "new.csv").frames(["batch"])
    parsed = read_csv(tmp_path / "new.csv", ["batch"]).obs
    codes = [encoding.encode(one).argmax(axis=1).tolist() for one in (obs, text, parsed)]
    places = [next(i for i, one in enumerate(trained) if same(one, word)) for word in new]
    assert codes[1] == codes[2] == [codes[0][i] for i in places]
    with pytest.raises(InputError, match=r"obs\['batch'\] has '7'; the model knows"):
        encoding.encode(pd.DataFrame({"batch": ["7"]}))


def same(one: str, other: str) -> bool:
    return one == other or (one[-1].isdigit() and float(one) == float(other))


def test_markers_are_matched_loosely(trained, tmp_path):
    table = frame(40).rename(columns={"CD19": "147Sm_CD-19", "CD4": "cd4"})
    path = write(table, tmp_path / "new.csv")
    (done,) = annotate_files(trained / "single", [path], tmp_path / "out", result="csv")
    found = pd.read_csv(done.output)
    assert found["scyan_pop"].tolist() == expected(trained / "single", 40)["scyan_pop"].tolist()
    assert "147Sm_CD-19" in found


def stray_text(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({"CD4": object}).assign(CD4=["3", "o.5", *table["CD4"][2:]])


def gap(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[100, "CD8"] = np.nan
    return table


WRONG = {
    "text": (stray_text, "row 3: expected a number in column 'CD4', found 'o.5'"),
    "gap": (gap, "marker 'CD8' has 1 NaN or infinite expressions in 250 cells"),
    "marker": (
        lambda table: table.rename(columns={"CD19": "CD20"}),
        "marker 'CD19' of the table is not in the data",
    ),
    "batch": (
        lambda table: table.assign(batch="z"),
        "obs['batch'] has 'z'; the model knows 'a', 'b'",
    ),
    "covariate": (
        lambda table: table.drop(columns="batch"),
        "covariate: the cells have no column 'batch'",
    ),
    "cells": (lambda table: table[:0], "it holds no cells"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_table_is_told_before_anything_is_written(
    trained, tmp_path, small_blocks, wrong
):
    spoil, words = WRONG[wrong]
    path = write(spoil(frame()), tmp_path / "new.csv")
    good = write(frame(), tmp_path / "good.csv")
    with pytest.raises(InputError) as raised:
        annotate_files(trained / "single", [good, path], tmp_path / "out", result="csv")
    assert f"{path}: {words}" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_metadata_take_the_place_of_a_column_but_not_of_a_marker(trained, tmp_path):
    path, sheet = write(frame(20).rename(columns={"CD4": "cd4"}), tmp_path / "new.csv"), "sheet.csv"
    (tmp_path / sheet).write_text("file,CD45\nnew,7\n")
    for result, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        options = {"result": result, "metadata": tmp_path / sheet}
        (done,) = annotate_files(trained / "single", [path], tmp_path / "out", **options)
        found = read(done.output)
        assert (found["CD45"].astype(str) == "7").all()
        assert not found.columns.duplicated().any()
    (tmp_path / sheet).write_text("file,cd4\nnew,7\n")
    with pytest.raises(InputError, match="its column 'cd4' would overwrite a marker of the cells"):
        annotate_files(
            trained / "single", [path], tmp_path / "o", result="csv", metadata=tmp_path / sheet
        )


def test_a_gap_in_the_second_csv_is_told_before_the_first_becomes_h5ad(trained, tmp_path):
    paths = [write(frame(), tmp_path / "good.csv"), write(gap(frame()), tmp_path / "bad.csv")]
    with pytest.raises(InputError, match=r"bad\.csv: marker 'CD8' has 1 NaN or infinite"):
        annotate_files(trained / "single", paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_csv_that_is_none_is_refused(trained, tmp_path):
    table = frame(60)
    (tmp_path / "twice.csv").write_text("CD3,CD4,CD8,CD19,CD4,batch,age\n1,2,3,4,5,a,1\n")
    (tmp_path / "ragged.csv").write_text("CD3,CD4,CD8,CD19,batch,age\n1,2,3,4,a,1,7,8\n")
    table["CD3"] = "text"
    table.to_parquet(tmp_path / "text.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "text.parquet").read_bytes()[:900])
    paths = sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as raised:
        annotate_files(trained / "single", paths, tmp_path / "out", result="csv")
    told = str(raised.value)
    assert f"{tmp_path / 'twice.csv'}: column 'CD4' occurs 2 times" in told
    assert f"{tmp_path / 'ragged.csv'}: not a CSV of cells (" in told
    assert f"{tmp_path / 'text.parquet'}: marker 'CD3' of the table is not in the data" in told
    assert f"{tmp_path / 'cut.parquet'}: not a Parquet file that pyarrow can read" in told


def test_a_table_becomes_an_h5ad_file(trained, tmp_path):
    path = write(frame(60), tmp_path / "new.csv")
    (done,) = annotate_files(trained / "single", [path], tmp_path / "out")
    found, obs = anndata.read_h5ad(done.output), expected(trained / "single", 60)
    assert found.obs["scyan_pop"].tolist() == obs["scyan_pop"].tolist()
    assert found.var_names.tolist() == [*MARKERS, "CD45"]
    assert found.obsm["X_scyan"].shape == (60, 4)

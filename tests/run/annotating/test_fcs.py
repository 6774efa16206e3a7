"""FCS files: to h5ad and tables, and back with a channel of population numbers."""

from __future__ import annotations

from pathlib import Path

import anndata
import flowkit
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.fcs_writing import write_fcs
from scyan_exp.errors import InputError
from scyan_exp.run.annotating.files import annotate_files
from tests.conftest import MARKERS, TABLE, small_adata

CHANNELS = ["Time", "FL1-A", "FL2-A", "FL3-A", "FL4-A"]
LABELS = ["", *MARKERS]


def fcs(path: Path, n_cells: int = 300, seed: int = 0, **keywords: str) -> Path:
    """Raw intensities with spillover from the first detector into the second."""
    x = np.sinh(small_adata(n_cells, seed=seed).X[:, :4]) * 100
    x[:, 1] += 0.3 * x[:, 0]
    events = np.column_stack([np.arange(n_cells), x]).astype(np.float32)
    matrix = {"$SPILLOVER": "2,FL1-A,FL2-A,1,0.3,0,1", **keywords}
    write_fcs(path, events, CHANNELS, LABELS, matrix)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of two FCS files, which are batches by a sheet."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("fcs")
    (folder / "table.csv").write_text(TABLE)
    for i, name in enumerate(("one", "two")):
        fcs(folder / f"{name}.fcs", seed=i)
    (folder / "sheet.csv").write_text("file,batch\none,a\ntwo,b\n")
    arguments = [
        *("dataset=fcs", f"dataset.path={folder}", f"dataset.metadata={folder / 'sheet.csv'}"),
        *("dataset.batch_key=batch", "dataset.transform=asinh", "dataset.cofactor=100"),
        *(f"table.path={folder / 'table.csv'}", "flow=shallow", "trainer.max_epochs=2"),
        *("logger=none", "figures.draw=none", f"hydra.run.dir={folder / 'run'}"),
    ]
    assert main(["train", *arguments]) == 0
    return folder / "run"


@pytest.fixture
def sheet(tmp_path) -> Path:
    (tmp_path / "sheet.csv").write_text("file,batch,patient\nnew.fcs,b,7\n")
    return tmp_path / "sheet.csv"


def test_a_file_gets_a_channel_and_keeps_its_own(run, tmp_path, sheet):
    path = fcs(tmp_path / "new.fcs", seed=4)
    (to_fcs,) = annotate_files(run, [path], tmp_path / "out", result="fcs", metadata=sheet)
    (to_h5ad,) = annotate_files(run, [path], tmp_path / "out", metadata=sheet)
    before, after = flowkit.Sample(path), flowkit.Sample(to_fcs.output)
    events = after.get_events(source="raw")
    np.testing.assert_array_equal(events[:, :5], before.get_events(source="raw"))
    assert after.pnn_labels[:6] == [*CHANNELS, "scyan_pop"]
    cells = anndata.read_h5ad(to_h5ad.output)
    names = [after.metadata[f"scyan_pop {int(code)}"] for code in events[:, 5]]
    given = cells.obs["scyan_pop"].astype(object).fillna("not annotated")
    assert names == given.tolist()
    assert cells.obs["batch"].unique().tolist() == ["b"]
    assert cells.obs["patient"].unique().tolist() == ["7"]
    assert cells.var_names.tolist() == MARKERS


def test_the_cells_of_a_run_are_annotated_as_the_run_did(run, tmp_path):
    """Compensated and matched as in the training."""
    sheet = run.parent / "sheet.csv"
    files = [run.parent / "one.fcs", run.parent / "two.fcs"]
    done = annotate_files(run, files, tmp_path / "out", metadata=sheet)
    found = pd.concat([anndata.read_h5ad(one.output).obs["scyan_pop"] for one in done])
    of_run = anndata.read_h5ad(run / "annotated.h5ad").obs["scyan_pop"]
    assert (found.to_numpy() == of_run.to_numpy()).mean() > 0.999


def test_compensation_can_be_turned_off_and_then_a_marker_is_far(run, tmp_path, sheet, caplog):
    path = fcs(tmp_path / "new.fcs", seed=4)
    results = {}
    for compensation in (None, "auto", False):
        caplog.clear()
        out = tmp_path / f"out_{compensation}"
        (done,) = annotate_files(run, [path], out, compensation=compensation, metadata=sheet)
        told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
        results[compensation] = anndata.read_h5ad(done.output).to_df()["CD4"], told
    pd.testing.assert_series_equal(results[None][0], results["auto"][0])
    assert results[False][0].mean() > results["auto"][0].mean()
    assert not results["auto"][1]
    assert any("marker 'CD4'" in text for text in results[False][1])


def test_a_table_of_the_events(run, tmp_path, sheet):
    path = fcs(tmp_path / "new.fcs", seed=4)
    (done,) = annotate_files(run, [path], tmp_path / "out", result="csv", metadata=sheet)
    found = pd.read_csv(done.output)
    assert {"Time", *MARKERS, "batch", "patient", "scyan_pop"} <= set(found)
    assert len(found) == 300


def test_what_is_wrong_is_told_before_anything_is_written(run, tmp_path):
    fcs(tmp_path / "a.fcs")
    (tmp_path / "b.fcs").write_bytes((tmp_path / "a.fcs").read_bytes()[:200])
    events = np.ones((5, 2), np.float32)
    write_fcs(tmp_path / "c.fcs", events, ["FL1-A", "FL2-A"], ["CD3", "CD20"])
    with pytest.raises(InputError) as raised:
        annotate_files(run, [tmp_path], tmp_path / "out", result="fcs")
    told = str(raised.value)
    assert f"{tmp_path / 'a.fcs'}: covariate 'batch': the file has no such channel; name a" in told
    assert str(tmp_path / "b.fcs") in told
    assert f"{tmp_path / 'c.fcs'}: marker 'CD4' of the table is not in the data" in told
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_row_in_the_sheet_is_refused(run, tmp_path, sheet):
    fcs(tmp_path / "other.fcs")
    with pytest.raises(InputError, match=r"no row for other\.fcs in column 'file'"):
        annotate_files(run, [tmp_path / "other.fcs"], tmp_path / "out", metadata=sheet)


@pytest.mark.parametrize("result", ["h5ad", "csv", "fcs"])
def test_cells_that_are_not_compensated_as_those_of_training_are_warned_of(
    run, tmp_path, sheet, caplog, result
):
    caplog.set_level("INFO")
    path = fcs(tmp_path / "new.fcs")
    annotate_files(run, [path], tmp_path / "with", result=result, metadata=sheet)
    assert "new.fcs: compensated by its spillover matrix" in caplog.text
    assert "it is not compensated" not in caplog.text
    options = {"result": result, "compensation": False, "metadata": sheet}
    annotate_files(run, [path], tmp_path / "without", **options)
    assert "new.fcs: it is not compensated (it has no spillover matrix" in caplog.text


def test_results_name_their_sample_and_cells_as_a_run_does(run, tmp_path, sheet):
    path = fcs(tmp_path / "new.fcs")
    (done,) = annotate_files(run, [path], tmp_path / "out", metadata=sheet)
    adata = anndata.read_h5ad(done.output)
    assert set(adata.obs["sample"]) == {"new"}
    assert adata.obs_names[:2].tolist() == ["new_0", "new_1"]


def test_an_annotated_file_is_annotated_again_but_not_as_fcs(run, tmp_path, sheet):
    path, out = fcs(tmp_path / "new.fcs"), tmp_path / "out"
    (first,) = annotate_files(run, [path], out, result="fcs", metadata=sheet)
    again = first.output.replace(tmp_path / "new.fcs")
    with pytest.raises(InputError, match=r"it has a channel 'scyan_pop' already: annotate the"):
        annotate_files(run, [again], tmp_path / "again", result="fcs", metadata=sheet)
    (done,) = annotate_files(run, [again], tmp_path / "again", metadata=sheet)
    obs = anndata.read_h5ad(done.output).obs
    assert obs["scyan_pop"].dtype == "category"
    assert "scyan_confidence_percent" not in obs

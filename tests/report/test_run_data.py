"""A run as its page has it, against its cells and its table."""

from __future__ import annotations

import json
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import InputError
from scyan_exp.report.annotated import Column, column
from scyan_exp.report.run_cells import chosen_cells, confusion, densities, flags, means
from scyan_exp.report.run_data import run_data
from tests.report.conftest import IMAGE, MARKERS, POPULATIONS


@pytest.fixture(scope="module")
def data(sweep):
    return run_data(sweep / "0")["run"]


@pytest.fixture(scope="module")
def cells(sweep):
    return anndata.read_h5ad(sweep / "0" / "annotated.h5ad")


def test_the_record_is_shown_as_it_is(data, sweep):
    record = json.loads((sweep / "0" / "result.json").read_text())
    assert {one["name"]: one["value"] for one in data["metrics"]} == record["metrics"]
    assert data["trust"]["verdict"] == record["trust"]["verdict"]
    assert data["trust"]["reasons"] == record["trust"]["reasons"]
    remarks = {one["population"]: one["remarks"] for one in data["trust"]["remarks"]}
    assert remarks == record["trust"]["populations"]
    assert data["objectives"] == ["heuristic"]
    assert data["name"] == "sweep / 0"
    assert data["sweep_report"] is True
    assert "prior_std: 0.2" in data["config"]
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_the_table_stands_beside_the_means_of_its_cells(data, cells):
    shown = data["cells"]
    assert (shown["populations"], shown["markers"]) == (list(POPULATIONS), list(MARKERS))
    assert shown["rho"][0] == [1, 1, None, -1]
    names = cells.obs["scyan_pop"]
    for p, name in enumerate(POPULATIONS):
        own = (names == name).to_numpy()
        assert shown["counts"][p] == own.sum()
        if own.any():
            expected = cells.obsm["X_scyan"][own].mean(axis=0)
            np.testing.assert_allclose(shown["latent"][p], expected, rtol=6e-3, atol=1e-3)
            x = (cells.X - cells.X.mean(axis=0)) / cells.X.std(axis=0)
            np.testing.assert_allclose(
                shown["expression"][p], x[own].mean(axis=0), rtol=6e-3, atol=5e-3
            )
    assert shown["unannotated"] == int(names.isna().sum())


def test_labels_against_annotation(data, cells):
    found = data["cells"]["confusion"]
    assert found["labels"][:2] == list(POPULATIONS[:2])
    assert found["n_rows"] == 2
    for r, label in enumerate(found["labels"]):
        own = cells.obs["scyan_pop"][cells.obs["label"] == label]
        expected = [*((own == name).sum() for name in POPULATIONS), own.isna().sum()]
        assert found["counts"][r] == expected


def test_densities_have_their_mode_where_the_cells_are(data):
    of_cd8 = data["cells"]["densities"][2]
    assert of_cd8["marker"] == "CD8"
    assert all(max(curve, default=1) == 1 for curve in of_cd8["of"])


def test_a_run_with_repeats_shows_the_consensus(search):
    run = run_data(search / "0")["run"]
    assert [one["name"] for one in run["repeats"]["members"]] == ["seed_0", "seed_1"]
    assert all(one["consensus"] is not None for one in run["metrics"] if one["name"] == "heuristic")
    assert run["cells"]["latent"]
    assert run["weights"]["epoch"]


def test_without_the_model_counts_are_left(sweep, tmp_path):
    copy = shutil.copytree(sweep / "0", tmp_path / "run")
    shutil.rmtree(copy / "checkpoints")
    run = run_data(copy)["run"]
    assert run["cells"] is None
    assert sum(run["counts"]) > 0
    (copy / "annotated.h5ad").unlink()
    assert run_data(copy)["run"]["counts"] is None
    assert run_data(copy)["run"]["name"] == "run"


def test_a_failed_run_has_its_message(failed_run):
    run = run_data(failed_run)["run"]
    assert (run["outcome"], run["cells"], run["counts"]) == ("failed", None, None)
    assert run["error"] == f"ValueError: {IMAGE}"
    assert run["trust"]["verdict"] == ""


def test_no_run_is_said_in_words(tmp_path):
    with pytest.raises(InputError, match=r"no run: there is no result\.json in it"):
        run_data(tmp_path)


# The parts --------------------------------------------------------------------------------------

TABLE = KnowledgeTable(["A", "B", "C"], ["x", "y"], np.array([[1, -1], [-1, 1], [np.nan, 1.0]]))


def test_entries_that_cells_do_not_follow_are_said_in_words():
    latent = np.array([[-0.6, -1.0], [-1.0, 0.9], [0.5, -0.05]])
    expression = np.array([[0.5, -1.0], [-1.0, 0.2], [0.1, 1.5]])
    remarks = {"B": ["y is + in the table, - in its cells"]}
    first, second = flags(TABLE, latent, expression, remarks)
    assert first["text"] == "A: x is + in the table, -0.6 in the cells annotated so (latent mean)"
    assert (first["population"], first["marker"]) == (0, 0)
    assert second["text"] == (
        "B: y is + in the table, - in its cells: their mean is +0.2, that of the other "
        "populations with + +1.5, with - -1.0"
    )
    without = flags(TABLE, latent, None, remarks)[1]["text"]
    assert without == "B: y is + in the table, - in its cells"


def test_populations_without_cells_are_no_contradiction():
    codes = np.array([0, 0, 2])
    found = means(np.array([[1.0, -1], [1, -1], [0, 1]]), codes, TABLE)
    assert np.isnan(found[1]).all()
    assert flags(TABLE, found, found, {}) == []


def test_cells_are_chosen_evenly_of_each_population():
    codes = np.repeat([0, 1, -1, 2], [5000, 3, 100, 1000])
    some = chosen_cells(codes, 4)
    assert np.bincount(codes[some]).tolist() == [1000, 3, 1000]
    assert (np.diff(some) > 0).all()
    assert some[0] == 0
    assert some[999] == 4999


def test_densities_of_few_cells_are_left_out_and_constant_markers_stand():
    x = np.stack([np.linspace(-1, 1, 40), np.zeros(40)], axis=1)
    codes = np.repeat([0, 1, 2], [30, 7, 3])
    first, second = densities(x, codes, TABLE)
    assert [len(curve) > 0 for curve in first["of"]] == [True, True, False]
    assert second["from"] < second["to"]


def test_labels_beyond_the_limit_are_left_out():
    names = [f"label {i}" for i in range(60)]
    labels = Column(np.arange(60), names)
    found = confusion(labels, np.zeros(60, int), ["A", "label 3"])
    assert found["labels"][0] == "label 3"
    assert len(found["labels"]) == 41
    assert np.sum(found["counts"]) == 41
    assert found["n_left_out"] == 19


def test_of_labels_beyond_the_limit_the_largest_stay():
    codes = np.array([*range(59), 59, 59])
    labels = Column(codes, [f"label {i}" for i in range(60)])
    assert confusion(labels, np.zeros(61, int), ["A"])["labels"][0] == "label 59"


def test_columns_of_text_and_of_numbers(tmp_path):
    path = tmp_path / "cells.h5ad"
    obs = pd.DataFrame(
        {
            "text": np.array(["b", "a", "b"], object),
            "number": [1.0, 2.0, 3.0],
            "kind": pd.Categorical([2, 1, None]),
        },
        index=["0", "1", "2"],
    )
    anndata.AnnData(np.zeros((3, 1), np.float32), obs=obs).write_h5ad(path)
    with h5py.File(path) as file:
        text, kind = column(file, "text"), column(file, "kind")
        assert text.counts(["a", "b", "c"]).tolist() == [1, 2, 0]
        assert kind.as_codes_of(kind.categories[::-1]).tolist() == [0, 1, -1]
        assert column(file, "number") is None
        assert column(file, "nothing") is None

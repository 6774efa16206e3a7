"""Annotating new cells with a model, a checkpoint, or the folder of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

import scyan_exp
from scyan_exp.config.wanted import PredictConfig
from scyan_exp.errors import InputError
from scyan_exp.results.annotation import load_model
from scyan_exp.run.annotate import annotate
from scyan_exp.training.scyan import Scyan
from tests.conftest import small_adata


def columns(adata: anndata.AnnData) -> pd.DataFrame:
    obs = adata.obs
    return obs[[name for name in obs if name.startswith("scyan")]]


def of_file(folder: Path) -> anndata.AnnData:
    return anndata.read_h5ad(folder / "annotated.h5ad")


@pytest.fixture(params=["several", "single"])
def run_folder(trained, request) -> Path:
    return trained / request.param


def test_the_folder_annotates_the_cells_of_the_run_as_the_run_did(run_folder):
    adata = small_adata()
    annotate(run_folder, adata)
    found, expected = columns(adata), columns(of_file(run_folder))
    assert found.columns.tolist() == expected.columns.tolist()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-4, check_categorical=True)
    np.testing.assert_allclose(
        adata.obsm["X_scyan"], of_file(run_folder).obsm["X_scyan"], rtol=1e-4, atol=1e-4
    )


def test_the_name_of_the_folder_may_be_text(run_folder):
    first, second = small_adata(60), small_adata(60)
    scyan_exp.annotate(run_folder, first)
    scyan_exp.annotate(str(run_folder), second)
    pd.testing.assert_frame_equal(first.obs, second.obs)


def test_new_cells_have_the_columns_of_a_consensus(trained):
    adata = small_adata(50, seed=9)
    annotation = annotate(trained / "several", adata)
    members = [f"scyan_pop_seed_{seed}" for seed in (4, 5, 6)]
    names = ["scyan_pop", "scyan_log_prob", "scyan_confidence", "scyan_pop_level"]
    names += ["scyan_confidence_level", "scyan_agreement", *members]
    assert columns(adata).columns.tolist() == names
    assert adata.obs["scyan_agreement"].between(0, 1 + 1e-6).all()
    assert adata.obsm["X_scyan"].shape == (50, 4)
    assert len(annotation.population) == 50


def test_the_order_and_number_of_new_cells_make_no_difference(trained):
    """Weights are those of the training cells: a cell's consensus does not depend on others."""
    together, alone = small_adata(80, seed=3), small_adata(80, seed=3)[[7, 41, 12]].copy()
    annotate(trained / "several", together)
    annotate(trained / "several", alone)
    expected = columns(together).loc[alone.obs_names]
    pd.testing.assert_frame_equal(columns(alone), expected, rtol=1e-4, atol=1e-4)


def test_one_wrong_batch_of_cells_does_not_change_the_weights(trained):
    """Even where these cells would favour another member."""
    adata = small_adata(60, seed=3)
    adata.X = adata.X[:, ::-1].copy()
    found = annotate(trained / "several", adata)
    record = json.loads((trained / "several" / "result.json").read_text())
    weights = [one["weight"] for one in record["repeats"]["members"]]
    own = [one.population == found.population for one in found.members.values()]
    expected = sum(w * alike for w, alike in zip(weights, own, strict=True))
    np.testing.assert_allclose(found.agreement, expected)


def test_members_columns_are_what_their_own_folders_say(trained):
    adata, alone = small_adata(60), small_adata(60)
    annotate(trained / "several", adata)
    for seed in (4, 5, 6):
        annotate(trained / "several" / f"seed_{seed}", alone)
        expected = alone.obs["scyan_pop"].rename(f"scyan_pop_seed_{seed}")
        pd.testing.assert_series_equal(adata.obs[f"scyan_pop_seed_{seed}"], expected)


def test_a_single_run_its_checkpoint_and_its_model_annotate_alike(trained):
    checkpoint = trained / "single" / "checkpoints" / "best.ckpt"
    expected, settings = small_adata(60), PredictConfig()
    annotate(trained / "single", expected, settings)
    for what in (checkpoint, str(checkpoint), load_model(checkpoint)):
        adata = small_adata(60)
        annotate(what, adata, settings)
        pd.testing.assert_frame_equal(adata.obs, expected.obs)
        assert "scyan_agreement" not in adata.obs


def test_a_moved_folder_annotates_the_same(trained, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained / "several", moved)
    first, second = small_adata(60), small_adata(60)
    annotate(trained / "several", first)
    annotate(moved, second)
    pd.testing.assert_frame_equal(first.obs, second.obs)


def test_wrong_cells_are_refused_and_left_as_they_were(trained):
    adata = small_adata(20)[:, ["CD3", "CD4"]].copy()
    before = adata.obs.copy()
    with pytest.raises(InputError, match="marker 'CD8' of the table is not in"):
        annotate(trained / "several", adata)
    pd.testing.assert_frame_equal(adata.obs, before)


def test_members_are_loaded_as_data_alone(trained):
    paths = list((trained / "several").glob("seed_*/checkpoints/*.ckpt"))
    assert len(paths) >= 2
    for path in paths:
        assert "state_dict" in torch.load(path, weights_only=True)


def test_cells_that_are_annotated_again_have_nothing_of_the_first_annotation(trained):
    """Agreement, members and probabilities of a consensus; another key's populations stay."""
    adata, expected = small_adata(60), small_adata(60)
    annotate(trained / "several", adata, PredictConfig(proba=True))
    adata.layers["scyan_corrected"] = adata.X.copy()
    adata.obs["scyan_pop_of_mine"] = "mine"
    adata.obs["other"] = adata.obs["scyan_pop"]
    annotate(trained / "single", adata)
    annotate(trained / "single", expected)
    own = adata.obs[["scyan_pop_of_mine", "other"]]
    assert own["scyan_pop_of_mine"].eq("mine").all()
    pd.testing.assert_frame_equal(adata.obs.drop(columns=own.columns), expected.obs)
    assert set(adata.obsm) == {"X_scyan"}
    assert not adata.layers
    assert set(adata.uns) == set(expected.uns)


def test_cells_whose_log_probability_is_no_number_have_no_population(trained):
    found = annotate(trained / "single", small_adata(60), PredictConfig(log_prob_th=-1e30))
    assert (found.codes == found.population).all()
    is_seventh = np.arange(60) == 7
    damaged = replace(found, log_prob=np.where(is_seventh, np.nan, found.log_prob))
    np.testing.assert_array_equal(damaged.codes, np.where(is_seventh, -1, found.population))
    np.testing.assert_array_equal(damaged.obs()["scyan_pop"].isna(), is_seventh)


# ---------------------------------------------------------------- far from the training cells


@pytest.fixture
def warnings_of(caplog) -> Callable[[Path | Scyan, anndata.AnnData], list[str]]:
    """What the log warns of when cells are annotated."""

    def annotated(what: Path | Scyan, adata: anndata.AnnData) -> list[str]:
        caplog.clear()
        annotate(what, adata)
        return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    return annotated


def test_cells_like_those_of_the_training_are_not_warned_of(run_folder, warnings_of):
    for seed in (7, 8, 9):
        assert warnings_of(run_folder, small_adata(seed=seed)) == []


def test_cells_in_another_state_are_warned_of_once(run_folder, warnings_of):
    """Not once for each repeat."""
    adata = small_adata(seed=9)
    adata.X = np.arcsinh(adata.X / 5)
    first, *each = warnings_of(run_folder, adata)
    assert first.startswith("new cells: most markers (4 of 4 markers are far")
    assert "dataset.transform=none" in first
    names = [text.split(": ")[1] for text in each]
    assert names == ["marker 'CD3'", "marker 'CD4'", "marker 'CD8'", "marker 'CD19'"]
    assert "scyan_pop" in adata.obs


def test_a_marker_in_the_column_of_another_is_warned_of(trained, warnings_of):
    adata = small_adata(seed=9)
    adata.X[:, 3] = adata.X[:, 4]  # CD45, which is no marker of the table
    first, marker = warnings_of(trained / "single", adata)
    assert first.startswith("new cells: 1 of 4 markers are far from the training cells")
    assert marker.startswith("new cells: marker 'CD19': 99% of the cells from -")


def test_a_checkpoint_without_distributions_annotates_in_silence(trained, tmp_path, warnings_of):
    """As those of earlier versions are."""
    state = torch.load(trained / "single" / "checkpoints" / "best.ckpt", weights_only=True)
    assert len(state["hyper_parameters"]["preprocessing"].pop("quantiles")) == 100
    torch.save(state, tmp_path / "best.ckpt")
    adata, expected = small_adata(300, seed=9), small_adata(300, seed=9)
    for cells in (adata, expected):
        cells.X = 3 * cells.X
    assert warnings_of(tmp_path / "best.ckpt", adata) == []
    assert warnings_of(trained / "single", expected)
    pd.testing.assert_frame_equal(adata.obs, expected.obs)


# ---------------------------------------------------------------- what is no run


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no run: there is no result\.json in it") as raised:
        annotate(tmp_path, small_adata(10))
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_folder_with_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=r"no run: its result\.json is damaged"):
        annotate(tmp_path, small_adata(10))


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_run_without_a_model_or_a_consensus_is_refused(trained, tmp_path, status):
    """Cut off before its first checkpoint, or with repeats before its end."""
    record = json.loads((trained / "several" / "result.json").read_text())
    record |= {"status": status, "metrics": {}, "repeats": None, "objective": None}
    (tmp_path / "result.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=rf"no model \(its status is '{status}'\)") as raised:
        annotate(tmp_path, small_adata(10))
    assert str(tmp_path) in str(raised.value)


def test_members_that_are_gone_are_named(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained / "several", folder)
    shutil.rmtree(folder / "seed_5")
    (folder / "seed_6" / "checkpoints" / "best.ckpt").unlink()
    adata = small_adata(10)
    before = adata.obs.copy()
    gone = "seed_5/checkpoints/best.ckpt, seed_6/checkpoints/best.ckpt"
    with pytest.raises(InputError, match=f"repeats whose models are gone .*: {gone}"):
        annotate(folder, adata)
    pd.testing.assert_frame_equal(adata.obs, before)


@pytest.mark.parametrize("name", ["nowhere", "nowhere/best.ckpt"])
def test_a_path_that_does_not_exist_is_refused(tmp_path, name):
    message = r"no such file; expected checkpoints/best\.ckpt of a run, or its folder"
    with pytest.raises(InputError, match=message) as raised:
        annotate(str(tmp_path / name), small_adata(10))
    assert raised.value.where == str(tmp_path / name)

"""Runs with batches through the command line: corrected expressions, refining, and its resume."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch

from scyan_exp import sample_cells
from scyan_exp.config.check import read_config
from scyan_exp.metrics.mixing import mean_lisi
from scyan_exp.results.annotation import load_model, predict_cells
from scyan_exp.results.columns import CORRECTED
from scyan_exp.results.correction import correct
from scyan_exp.run.cells import KeptCells
from scyan_exp.run.experiment import prepare
from scyan_exp.run.folder import run_folder_of
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_run import Run
from scyan_exp.run.refining import correcting_model, refined
from scyan_exp.run.settings_of import wanted_of
from tests.run.test_resume import environment, load, read_result
from tests.run.test_run import QUICK
from tests.starting import Process

BATCHES = ("dataset.n_batches=3", "dataset.batch_key=batch", "correct.batch_ref='batch 2'")
SMALL = ("dataset.n_cells=900", "trainer.max_epochs=3", "flow=shallow")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run with two repeats that are refined."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("batches") / "run"
    arguments = [*QUICK, *BATCHES, *SMALL, "correct.refine=true", "repeats=2"]
    assert main(["train", *arguments, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def cells(run) -> anndata.AnnData:
    return anndata.read_h5ad(run / "seed_0" / "annotated.h5ad")


def prior_of(folder: Path) -> torch.Tensor:
    return load(folder, "best")["state_dict"]["module.prior.rho"]


def inputs(model, cells: anndata.AnnData) -> tuple[torch.Tensor, torch.Tensor]:
    x = model.preprocessing.apply(np.asarray(cells[:, model.table.markers].X))
    return torch.from_numpy(x), torch.from_numpy(model.encoding.encode(cells.obs))


def test_refining_fills_the_prior_and_leaves_model_and_table_of_the_first_training(run):
    for member in (run / "seed_0", run / "seed_1"):
        blank = prior_of(member).isnan()
        assert blank.any()
        refined = prior_of(member / "refined")
        assert not refined[~blank].isnan().any()
        missing = read_result(member)["metrics"]["n_missing_populations"]
        assert refined.isnan().any(dim=1).sum() <= missing
        assert refined.isnan().sum() < blank.sum()
        models = [load_model(one / "checkpoints/best.ckpt") for one in (member, member / "refined")]
        assert models[0].table.to_dict() == models[1].table.to_dict()
        weights = [next(one.module.real_nvp.parameters()) for one in models]
        assert not torch.equal(*weights)


def test_the_first_training_annotates_and_the_refined_model_corrects(run, cells):
    first, refined = (
        load_model(run / "seed_0" / where / "checkpoints/best.ckpt") for where in ("", "refined")
    )
    x, covariates = inputs(first, cells)
    latent = first.predict_step((x, covariates)).latent.detach().numpy()
    np.testing.assert_allclose(cells.obsm["X_scyan"], latent, atol=1e-4)
    layer = cells.layers[CORRECTED]
    assert layer.shape == cells.shape
    expected = correct(refined, x, covariates, "batch 2")
    np.testing.assert_allclose(cells[:, first.table.markers].layers[CORRECTED], expected)
    own = (cells.obs["batch"] == "batch 2").to_numpy()
    np.testing.assert_allclose(layer[own], cells.X[own], atol=1e-3)
    assert np.abs(layer[~own] - cells.X[~own]).max() > 0.01


def test_mixing_is_measured_before_and_after(run, cells):
    metrics = read_result(run / "seed_0")["metrics"]
    refined = load_model(run / "seed_0/refined/checkpoints/best.ckpt")
    codes = cells.obs["batch"].cat.codes.to_numpy()
    x, covariates = inputs(refined, cells)
    corrected = refined.preprocessing.apply(correct(refined, x, covariates, "batch 2"))
    assert metrics["ilisi"] == pytest.approx(mean_lisi(corrected, codes), rel=1e-4)
    assert metrics["ilisi_uncorrected"] == pytest.approx(mean_lisi(x.numpy(), codes), rel=1e-4)
    parts = metrics["davies_bouldin"] * metrics["neg_log_dirichlet"] / metrics["ilisi"]
    expected = (metrics["n_missing_populations"] + 1) * parts
    assert metrics["heuristic"] == pytest.approx(expected)


def test_of_repeats_the_one_with_the_largest_weight_corrects(run):
    record = read_result(run)["repeats"]
    heaviest = max(record["members"], key=lambda one: one["weight"])
    of_run = anndata.read_h5ad(run / "annotated.h5ad").layers[CORRECTED]
    own = anndata.read_h5ad(run / heaviest["folder"] / "annotated.h5ad").layers[CORRECTED]
    np.testing.assert_array_equal(of_run, own)
    assert record["consensus"]["ilisi"] == pytest.approx(heaviest["metrics"]["ilisi"])


def test_a_combination_of_runs_is_corrected_as_they_were(run, tmp_path, scyan_exp):
    out = tmp_path / "both"
    code, output = scyan_exp("consensus", str(run / "seed_0"), str(run / "seed_1"), f"out={out}")
    assert code == 0, output
    found, of_run = (anndata.read_h5ad(one / "annotated.h5ad") for one in (out, run))
    np.testing.assert_array_equal(found.layers[CORRECTED], of_run.layers[CORRECTED])


def test_a_run_in_the_same_folder_leaves_no_refined_model_of_the_earlier_one(tmp_path, scyan_exp):
    """Nor where it goes on with the first training of that run, which no more is refined."""
    folder = tmp_path / "run"
    arguments = ("train", *QUICK, *BATCHES, *SMALL, f"hydra.run.dir={folder}")
    last = f"ckpt_path={folder / 'checkpoints/last.ckpt'}"
    for refine, more in (("true", ()), ("false", (last,))):
        epochs = f"trainer.max_epochs={2 if more else 1}"
        code, output = scyan_exp(*arguments, epochs, f"correct.refine={refine}", *more)
        assert code == 0, output
        assert (folder / "refined").exists() == (refine == "true")
        assert ("Refining: " in output) == (refine == "true")


def test_an_interrupted_first_training_leaves_no_refined_model_of_an_earlier_one(run, tmp_path):
    folder = shutil.copytree(run / "seed_0", tmp_path / "run")
    config = read_config(Run(folder).config.plain())
    with KeptCells() as kept:
        experiment = prepare(config, folder, kept)
    cells, model = experiment.cells, experiment.model
    annotation = predict_cells(model, cells.x, cells.covariates)
    assert correcting_model(folder, model) is not model
    found = refined(config, experiment, annotation, Outcome.INTERRUPTED, folder)
    assert found.model is model
    assert correcting_model(folder, model) is model


def test_a_checkpoint_of_the_refined_model_and_a_home_folder_name_the_run(run, monkeypatch):
    member = run / "seed_0"
    monkeypatch.setenv("HOME", str(run.parent))
    for path in (
        member,
        member / "checkpoints/best.ckpt",
        member / "refined/checkpoints/best.ckpt",
        "~/run/seed_0/refined/checkpoints/last.ckpt",
        "~/run/seed_0",
    ):
        assert run_folder_of(path) == member
        assert wanted_of(path) == wanted_of(member)
    assert wanted_of(member).correct.refine
    drawn = sample_cells(member / "refined/checkpoints/best.ckpt", 40, ["Naive CD4 T cells"])
    assert set(drawn.obs["batch"]) == {"batch 1", "batch 2", "batch 3"}


def test_without_a_reference_batch_mixing_is_measured_and_no_layer_is_written(tmp_path, scyan_exp):
    """The batch with the most cells is the reference then, as the reference chooses."""
    folder = tmp_path / "run"
    code, output = scyan_exp("train", *QUICK, *BATCHES[:2], *SMALL, f"hydra.run.dir={folder}")
    assert code == 0, output
    cells = anndata.read_h5ad(folder / "annotated.h5ad")
    assert CORRECTED not in cells.layers
    model = load_model(folder / "checkpoints/best.ckpt")
    x, covariates = inputs(model, cells)
    largest = cells.obs["batch"].value_counts().index[0]
    corrected = model.preprocessing.apply(correct(model, x, covariates, largest))
    codes = cells.obs["batch"].cat.codes.to_numpy()
    metrics = read_result(folder)["metrics"]
    assert metrics["ilisi"] == pytest.approx(mean_lisi(corrected, codes), rel=1e-4)


@pytest.mark.parametrize("more", [(), ("repeats=2",)])
def test_a_reference_that_is_no_batch_is_refused_before_training(tmp_path, scyan_exp, more):
    arguments = (*QUICK, *BATCHES[:2], *SMALL, "correct.batch_ref='batch 4'", *more)
    code, output = scyan_exp("train", *arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert code == 2
    assert "correct.batch_ref: 'batch 4' is no batch of obs['batch']. Did you mean" in output
    assert "Batches: batch 1, batch 2, batch 3" in output
    assert not (tmp_path / "run").exists()


#: Slow enough that a signal arrives while it is refined.
LONGER = (
    *BATCHES,
    *("correct.refine=true", "dataset.n_cells=5000", "model.batch_size=100", "flow=shallow"),
    *("callbacks=none", "trainer.max_epochs=15", "figures.draw=none", "logger=none"),
)


def refining(folder: Path) -> Process:
    """Start a run, and return when an epoch of its refining is on disk."""
    command = ["-m", "scyan_exp", "train", *LONGER, f"hydra.run.dir={folder}"]
    process = Process(command, env=environment(), together=True)
    path, deadline = folder / "refined" / "population_weights.csv", time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


@pytest.mark.slow
def test_killed_while_it_is_refined_a_run_goes_on_there_and_ends_the_same(scyan_exp, tmp_path):
    cut, uncut = tmp_path / "cut", tmp_path / "uncut"
    process = refining(cut)
    process.kill()
    process.communicate()
    assert read_result(cut)["status"] == "running"
    last = f"ckpt_path={cut / 'checkpoints/last.ckpt'}"
    code, output = scyan_exp("train", *LONGER, last, f"hydra.run.dir={cut}")
    assert code == 0, output
    assert load(cut / "refined", "last")["epoch"] == 14
    assert 0 < output.count("epoch ") < 15, output  # of the refining alone
    code, output = scyan_exp("train", *LONGER, f"hydra.run.dir={uncut}")
    assert code == 0, output
    for name in ("best", "last"):
        ours, theirs = (load(one / "refined", name) for one in (cut, uncut))
        assert ours["epoch"] == theirs["epoch"]
        for key, value in theirs["state_dict"].items():
            torch.testing.assert_close(
                ours["state_dict"][key], value, rtol=0, atol=0, equal_nan=True, msg=key
            )
    assert read_result(cut)["metrics"] == read_result(uncut)["metrics"]


@pytest.mark.slow
def test_interrupted_while_it_is_refined_a_run_corrects_with_what_it_has(tmp_path):
    folder = tmp_path / "run"
    process = refining(folder)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert read_result(folder)["status"] == "interrupted"
    assert json.loads((folder / "result.json").read_text())["metrics"]["ilisi"] > 1
    assert CORRECTED in anndata.read_h5ad(folder / "annotated.h5ad").layers

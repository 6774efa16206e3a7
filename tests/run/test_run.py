"""One run through the command line, and what it leaves behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from tests.run.conftest import RUN_FILES

QUICK = ("experiment=smoke", "dataset.n_cells=2000", "logger=none", "figures.draw=none")


@pytest.fixture
def train(scyan_exp, tmp_path):
    """Train into a folder of the given name; return the folder."""

    def run(name: str, *arguments: str) -> Path:
        folder = tmp_path / name
        code, output = scyan_exp("train", *QUICK, f"hydra.run.dir={folder}", *arguments)
        assert code == 0, output
        return folder

    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run with everything; to be read only."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("run") / "run"
    more = ("figures.draw=all", "trainer.log_every_n_steps=2", f"hydra.run.dir={folder}")
    assert main(["train", *QUICK, *more]) == 0
    return folder


def read_result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def test_run_folder_holds_everything(run):
    assert {path.name for path in run.iterdir()} == RUN_FILES | {"train.log"}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert {p.stem for p in (run / "figures").iterdir()} == {
        "confusion_matrix",
        "latent_expressions",
        "loss",
        "population_counts",
        "population_weights",
        "threshold",
        "trust",
    }


def test_only_the_figures_that_are_asked_for_are_drawn(train):
    some = train("some", "figures.draw=[members,trust]", "trainer.max_epochs=1")
    assert [path.name for path in (some / "figures").iterdir()] == ["trust.png"]
    assert not (train("none", "figures.draw=none", "trainer.max_epochs=1") / "figures").exists()


def test_record_says_what_was_done(run):
    result = read_result(run)
    assert result["status"] == "completed"
    assert result["error"] is None
    assert result["seed"] == 0
    assert result["epochs"] == 5
    assert result["stopped_because"] == "it had trained all 5 epochs (trainer.max_epochs)"
    assert result["fit_seconds"] > 0
    assert result["objective"] == result["metrics"]["table_fit"]
    assert len(result["config_hash"]) == 16
    assert result["metrics"]["accuracy"] > 0.5


def test_config_in_the_folder_is_resolved(train):
    config = OmegaConf.load(train("run", "prior=tight") / ".hydra" / "config.yaml")
    assert config.model.prior_std == 0.2
    assert "${" not in OmegaConf.to_yaml(config)


def test_annotated_cells(run):
    adata = anndata.read_h5ad(run / "annotated.h5ad")
    assert adata.shape == (2000, 18)
    assert adata.obsm["X_scyan"].shape == (2000, 18)
    assert list(adata.uns["scyan_markers"]) == list(adata.var_names)
    assert set(adata.obs["scyan_pop"].cat.categories) == set(adata.obs["population"].cat.categories)
    assert np.isfinite(adata.obs["scyan_log_prob"]).all()
    agree = adata.obs["scyan_pop_level"].notna() == adata.obs["scyan_pop"].notna()
    assert agree.all()


def test_weights_of_every_epoch(run):
    with (run / "population_weights.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("epoch") for row in rows] == [str(i) for i in range(5)]
    for row in rows:
        assert len(row) == 13
        assert sum(map(float, row.values())) == pytest.approx(1, abs=1e-5)


def test_metrics_csv_names(run):
    with (run / "metrics.csv").open() as file:
        names = set(next(csv.reader(file)))
    expected = {"loss", "ldj", "prior_std", "use_temperature", "lr", "cells_per_second", "epoch"}
    assert expected <= names
    assert {"pi/NK cells", "pi/Naive B cells"} <= names


def test_loss_step_is_logged_between_epochs(run):
    with (run / "metrics.csv").open() as file:
        steps = [row["step"] for row in csv.DictReader(file) if row["loss_step"]]
    assert steps == [str(i) for i in range(1, 20, 2)]


def test_warm_up_and_temperature_follow_the_epochs(run):
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["loss"]]
    stds = [float(row["prior_std"]) for row in rows]
    assert stds == pytest.approx([0.35, 0.35, 0.35, 0.35, 0.3])
    assert [float(row["use_temperature"]) for row in rows] == [0, 1, 1, 0, 1]


def test_same_seed_same_weights_byte_for_byte(train, run):
    first, other = train("first", "seed=0"), train("other", "seed=1")
    weights = [(f / "population_weights.csv").read_bytes() for f in (first, run, other)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_checkpoint_is_plain_and_complete(run):
    state = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    hparams = state["hyper_parameters"]
    assert hparams["table"]["markers"][0] == "CD3"
    assert len(hparams["preprocessing"]["std"]) == 18
    assert hparams["seed"] == 0
    assert hparams["encoding"] == {"categories": {}, "continuous": [], "batch_key": None}


def test_annotation_uses_the_best_epoch(train, run):
    """The last epoch here is one with temperature, whose loss is higher."""
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert (best["epoch"], last["epoch"]) == (4, 4)
    longer = train("longer", "trainer.max_epochs=6")
    best = torch.load(longer / "checkpoints" / "best.ckpt", weights_only=True)
    with (longer / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["loss"]]
    losses = {int(row["epoch"]): float(row["loss"]) for row in rows}
    after_warm_up = {epoch: loss for epoch, loss in losses.items() if epoch >= 4}
    assert best["epoch"] == min(after_warm_up, key=after_warm_up.get)
    assert read_result(longer)["metrics"]["loss"] == pytest.approx(losses[best["epoch"]])


def test_early_stopping_can_be_configured_and_left_out(train):
    patience = ("callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=1000")
    assert read_result(train("early", *patience))["epochs"] == 2
    assert read_result(train("all", "callbacks=none"))["epochs"] == 5


def test_debug_trainer_ends_after_two_epochs(scyan_exp, tmp_path):
    cells = ("dataset.n_cells=500", "model.batch_size=100", "figures.draw=none")
    run_dir = f"hydra.run.dir={tmp_path / 'run'}"
    code, output = scyan_exp("train", "trainer=debug", "logger=none", *cells, run_dir)
    assert code == 0, output
    assert read_result(tmp_path / "run")["epochs"] == 2


def test_own_files_with_batch_levels_and_subset(scyan_exp, tmp_path, cells_file, table_file):
    code, output = scyan_exp(
        "train",
        "experiment=smoke",
        "dataset=h5ad",
        f"dataset.path={cells_file}",
        "table=csv",
        f"table.path={table_file}",
        "dataset.label_key=cell_type",
        "dataset.batch_key=batch",
        "dataset.continuous_covariates=[age]",
        "model.batch_size=100",
        *("logger=none", "figures.draw=none"),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert code == 0, output
    adata = anndata.read_h5ad(tmp_path / "run" / "annotated.h5ad")
    assert adata.obsm["X_scyan"].shape == (600, 4)
    assert list(adata.var_names) == ["CD3", "CD4", "CD8", "CD19", "CD45"]
    agreement = adata.obs["scyan_pop"].astype(str) == adata.obs["cell_type"].astype(str)
    assert agreement.mean() > 0.9
    assert set(adata.obs["scyan_pop_level"].dropna()) == {"T cells", "B cells"}

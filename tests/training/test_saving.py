"""What is saved after each epoch, however seldom it is written."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from scyan_exp.data import CellDataModule
from scyan_exp.run.folder import RunFolder
from scyan_exp.training.choosing import contenders
from scyan_exp.training.saving import SaveRun
from tests.training.conftest import fit, make_model, make_trainer


class Watch(pl.Callback):
    """The weights as they were at the end of each epoch, and its loss.

    The training goes astray in the last two epochs.
    """

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.is_last_batch:
            self.weights.append({k: v.clone() for k, v in pl_module.state_dict().items()})

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 4:
            trainer.optimizers[0].param_groups[0]["lr"] = 1.0
        if trainer.current_epoch > 0:
            self.losses.append(pl_module.epoch_metrics["loss"])


@pytest.mark.parametrize(
    "seconds", [0, math.inf], ids=["every epoch", "first epoch and at the end"]
)
def test_each_checkpoint_has_the_weights_of_its_epoch(cells, tmp_path, monkeypatch, seconds):
    monkeypatch.setattr("scyan_exp.training.saving.SECONDS_BETWEEN_WRITES", seconds)
    watch = Watch()
    callbacks = [watch, SaveRun(RunFolder(tmp_path))]
    fit(make_model(cells, warm_up=None), cells, 6, callbacks=callbacks, enable_checkpointing=True)
    best, last = (load(tmp_path, name) for name in ("best", "last"))
    assert 0 < best["epoch"] < last["epoch"] == 5
    assert watch.losses[best["epoch"]] == min(watch.losses)
    for state in (best, last):
        expected = watch.weights[state["epoch"]]
        assert state["state_dict"].keys() == expected.keys()
        for name, value in state["state_dict"].items():
            torch.testing.assert_close(value, expected[name], rtol=0, atol=0, equal_nan=True)


def load(folder: Path, name: str) -> dict:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def test_checkpoints_are_on_the_disk_before_they_get_their_names(cells, tmp_path, monkeypatch):
    """A power cut would leave an empty file in the place of the last good one."""
    monkeypatch.setattr("scyan_exp.training.saving.SECONDS_BETWEEN_WRITES", 0)
    fsync, replace = os.fsync, os.replace
    synced: set[tuple[int, int]] = set()
    unsynced, names = [], []

    def record_fsync(descriptor):
        state = os.fstat(descriptor)
        synced.add((state.st_ino, state.st_size))
        fsync(descriptor)

    def record_replace(source, target):
        state = Path(source).stat()
        names.append(Path(target).name)
        if (state.st_ino, state.st_size) not in synced:
            unsynced.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    callbacks = [SaveRun(RunFolder(tmp_path))]
    fit(make_model(cells, warm_up=None), cells, 3, callbacks=callbacks, enable_checkpointing=True)
    assert set(unsynced) == {"population_weights.csv"}  # which a resume writes again
    assert {"best.ckpt", "last.ckpt"} < set(names)
    own = RunFolder(tmp_path)
    kept = {path.stat().st_ino for path in (own.population_weights, own.checkpoints)}
    assert kept < {number for number, _ in synced}  # at the end it is, too


class Agreed(pl.Callback):
    """Gives each epoch an agreement of our own, before it is saved."""

    def __init__(self, agreements: list[float]) -> None:
        self.agreements = agreements

    def on_train_epoch_start(self, trainer, pl_module):
        agreement = self.agreements[trainer.current_epoch]
        pl_module._measured_agreement = lambda: {"table_agreement": agreement}


#: The chosen epoch is 0, then 1, 0 again for its agreement when that of 2 counts, and at last 4.
AGREEMENTS = [0.9, 0.85, 0.96, 0.5, 0.955, 0.4]


def saved(cells, folder: Path, n_epochs: int, first: int = 0, resumed: Path | None = None):
    model = make_model(cells, warm_up=None, agreement_tolerance=0.1)
    saving = SaveRun(RunFolder(folder))
    trainer = make_trainer(
        n_epochs, callbacks=[Agreed(AGREEMENTS), saving], enable_checkpointing=True
    )
    datamodule = CellDataModule(cells, 100, None, 0)
    trainer.fit(model, datamodule, ckpt_path=resumed, weights_only=True)
    return saving


@pytest.mark.parametrize("cut_off", [1, 2, 3, 4, 5])
def test_a_resumed_run_chooses_as_one_that_was_never_cut_off(cells, tmp_path, cut_off):
    """Also an epoch from before that only later turned out to be the best."""
    whole = saved(cells, tmp_path / "whole", 6)
    saved(cells, tmp_path / "part", cut_off)
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    resumed = saved(cells, tmp_path / "resumed", 6, resumed=last)
    assert resumed.best_row["epoch"] == whole.best_row["epoch"]
    ours, theirs = (load(tmp_path / name, "best") for name in ("resumed", "whole"))
    assert ours["epoch"] == theirs["epoch"] == whole.best_row["epoch"]
    for name, value in ours["state_dict"].items():
        torch.testing.assert_close(
            value, theirs["state_dict"][name], rtol=0, atol=0, equal_nan=True
        )


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 4, 5, 6])
def test_the_best_checkpoint_is_of_the_epoch_that_the_rule_names(cells, tmp_path, n_epochs):
    saving = saved(cells, tmp_path, n_epochs)
    (chosen, *_) = contenders(saving.history, 0, 0.1)
    assert load(tmp_path, "best")["epoch"] == chosen["epoch"] == saving.best_row["epoch"]

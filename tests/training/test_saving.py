"""What is saved after each epoch, however seldom it is written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from scyan_exp.run.folder import RunFolder
from scyan_exp.training.saving import SaveRun
from tests.training.conftest import fit, make_model


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

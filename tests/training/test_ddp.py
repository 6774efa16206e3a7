"""Two processes train one run together."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

ARGUMENTS = (
    "dataset.n_cells=6000",
    "model.batch_size=600",
    "flow=shallow",
    "callbacks=none",
    "trainer.max_epochs=4",
    "logger=none",
    "figures.draw=none",
)


def train(scyan_exp, folder: Path, *arguments: str) -> Path:
    code, output = scyan_exp("train", *ARGUMENTS, f"hydra.run.dir={folder}", *arguments)
    assert code == 0, output
    return folder


@pytest.fixture
def an_epoch_takes_a_second(monkeypatch) -> None:
    """By the clock of the first process, which is read when an epoch begins and when it ends."""
    clock = SimpleNamespace(perf_counter=itertools.count().__next__)
    monkeypatch.setattr("scyan_exp.training.scyan.time", clock)


@pytest.mark.usefixtures("an_epoch_takes_a_second")
def test_two_processes_end_where_one_does(scyan_exp, tmp_path):
    """Each batch is shared by the processes, so the training is the same but for rounding.

    The cells of both count in ``cells_per_second``. Two devices mean this whatever the trainer. It
    leaves no traces in this process, and takes no module from the current folder.
    """
    one = train(scyan_exp, tmp_path / "one")
    (tmp_path / "h5py.py").write_text("raise RuntimeError('not this one')\n")
    before = dict(os.environ)
    two = train(scyan_exp, tmp_path / "two", "trainer.devices=2")
    assert "not this one" not in (two / "ddp_rank1.log").read_text()
    assert not torch.distributed.is_initialized()
    changed = {k for k in {*before, *os.environ} if before.get(k) != os.environ.get(k)}
    assert not {name for name in changed if "RANK" in name or "MASTER" in name or "WORLD" in name}
    weights = [pd.read_csv(f / "population_weights.csv") for f in (one, two)]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-4)
    results = [json.loads((f / "result.json").read_text()) for f in (one, two)]
    assert results[0]["epochs"] == results[1]["epochs"] == 4
    for name in ("loss", "accuracy"):
        first, second = (r["metrics"][name] for r in results)
        assert first == pytest.approx(second, abs=5e-3)
    labels = [
        anndata.read_h5ad(f / "annotated.h5ad").obs["scyan_pop"].astype(str) for f in (one, two)
    ]
    assert (labels[0] == labels[1]).mean() > 0.995
    for folder in (one, two):
        speeds = pd.read_csv(folder / "metrics.csv")["cells_per_second"].dropna()
        assert speeds.tolist() == [6000] * 4


@pytest.mark.slow
def test_a_ddp_run_can_be_resumed(scyan_exp, tmp_path):
    whole = train(scyan_exp, tmp_path / "whole", "trainer=ddp")
    part = train(scyan_exp, tmp_path / "part", "trainer=ddp", "trainer.max_epochs=2")
    last = part / "checkpoints" / "last.ckpt"
    rest = train(scyan_exp, tmp_path / "rest", "trainer=ddp", f"ckpt_path={last}")
    weights = [(f / "population_weights.csv").read_bytes() for f in (whole, rest)]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_failed_run_does_not_spoil_the_next(scyan_exp, tmp_path):
    sweep = tmp_path / "sweep"
    arguments = ("trainer=ddp", "trainer.max_epochs=1", "model.lr=1e30,0.001")
    code, _ = scyan_exp("train", "-m", *ARGUMENTS, *arguments, f"hydra.sweep.dir={sweep}")
    assert code == 1
    results = [json.loads((sweep / job / "result.json").read_text()) for job in ("0", "1")]
    assert [result["status"] for result in results] == ["failed", "completed"]


def test_a_process_that_ends_before_the_training_is_reported(scyan_exp, tmp_path, monkeypatch):
    """The second process cannot start here: no such interpreter option."""
    monkeypatch.setenv("PYTHONSTARTUP", "")
    monkeypatch.setenv("PYTHONHASHSEED", "no number")  # fatal for a new interpreter
    folder = tmp_path / "run"
    code, output = scyan_exp("train", *ARGUMENTS, "trainer=ddp", f"hydra.run.dir={folder}")
    assert code == 1
    assert "process 1 of the run ended with exit code 1 before the training began" in output
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "failed"
    assert "PYTHONHASHSEED" in (folder / "ddp_rank1.log").read_text()


def test_a_clusters_variables_do_not_confuse_a_plain_run(scyan_exp, tmp_path, monkeypatch):
    variables = {"JOB_ID": "1", "JOB_NAME": "x", "NTASKS": "4", "PROCID": "0", "LOCALID": "0"}
    for name, value in {**variables, "NODEID": "0", "NNODES": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    folder = train(scyan_exp, tmp_path / "one", "trainer.max_epochs=1")
    assert json.loads((folder / "result.json").read_text())["epochs"] == 1

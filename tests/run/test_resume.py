"""Runs that end before their time: killed, interrupted, and continued."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.starting import Process

#: Slow enough that a signal arrives within an epoch, fast enough to wait for.
ARGUMENTS = (
    "dataset.n_cells=20000",
    "model.batch_size=100",
    "flow=shallow",
    "callbacks=none",
    "trainer.max_epochs=12",
    "trainer.log_every_n_steps=1000",
    "figures.draw=none",
)


def start(folder: Path, *arguments: str) -> Process:
    command = ["-m", "scyan_exp", "train", *ARGUMENTS, *arguments, f"hydra.run.dir={folder}"]
    return Process(command, cwd=folder.parent, env=environment(), together=True)


def environment() -> dict[str, str]:
    """Ours, without the W&B service that earlier tests may have started in this process."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


def wait_for_epoch(process: Process, folder: Path, epoch: int) -> None:
    """Return as soon as the run has ended this many epochs."""
    path, deadline = folder / "population_weights.csv", time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and len(path.read_text().splitlines()) > epoch:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)
    raise TimeoutError(f"no epoch {epoch} after two minutes")


def read_result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def load(folder: Path, name: str) -> dict:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def killed(folder: Path, epoch: int, *arguments: str) -> tuple[int, tuple[str, ...]]:
    """Start a run that would not end, and kill it once so many epochs are on disk.

    Files are written once a second, so that nobody knows how many epochs that will be.

    Returns:
        The number of epochs that it has kept, and the arguments of a run that goes on from them.
    """
    process = start(folder, *arguments, "trainer.max_epochs=1000")
    wait_for_epoch(process, folder, epoch)
    process.kill()
    process.communicate()
    assert read_result(folder)["status"] == "running"
    last = f"ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"
    return load(folder, "last")["epoch"] + 1, (*arguments, last)


@pytest.mark.parametrize(
    "where", ["same folder", pytest.param("new folder", marks=pytest.mark.slow)]
)
def test_killed_and_resumed_a_run_ends_at_the_same_weights(scyan_exp, tmp_path, where):
    cut, uncut = tmp_path / "cut", tmp_path / "uncut"
    n_kept, on = killed(cut, 3, "logger=none")
    resumed = cut if where == "same folder" else tmp_path / "resumed"
    longer = f"trainer.max_epochs={n_kept + 4}"
    for folder, arguments in ((resumed, on), (uncut, ("logger=none",))):
        code, output = scyan_exp("train", *ARGUMENTS, *arguments, longer, f"hydra.run.dir={folder}")
        assert code == 0, output
        assert read_result(folder)["status"] == "completed"
        assert read_result(folder)["epochs"] == n_kept + 4
    for name in ("best", "last"):
        assert load(resumed, name)["epoch"] == load(uncut, name)["epoch"]
        expected = load(uncut, name)["state_dict"]
        for key, value in load(resumed, name)["state_dict"].items():
            torch.testing.assert_close(
                value, expected[key], rtol=0, atol=0, equal_nan=True, msg=f"{name}: {key}"
            )
    weights = [(f / "population_weights.csv").read_bytes() for f in (resumed, uncut)]
    assert weights[0] == weights[1]
    assert _epochs_in_metrics(resumed) == _epochs_in_metrics(uncut) == list(range(n_kept + 4))


def _epochs_in_metrics(folder: Path) -> list[int]:
    import pandas as pd

    rows = pd.read_csv(folder / "metrics.csv").dropna(subset="loss")
    return rows["epoch"].astype(int).tolist()


@pytest.mark.slow
def test_resumed_run_continues_the_same_wandb_run(tmp_path):
    cut = tmp_path / "cut"
    n_kept, on = killed(cut, 2)
    process = start(tmp_path / "on", *on, f"trainer.max_epochs={n_kept + 1}")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert read_result(cut)["wandb_run_id"] == read_result(tmp_path / "on")["wandb_run_id"]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_one_signal_ends_the_epoch_and_annotates(tmp_path, number):
    folder = tmp_path / "run"
    process = start(folder, "trainer.max_epochs=1000", "logger=none")
    wait_for_epoch(process, folder, 5)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    result = read_result(folder)
    assert result["status"] == "interrupted"
    assert 5 <= result["epochs"] < 1000
    assert "It stopped because it was interrupted" in output
    assert result["metrics"]["accuracy"] > 0.5
    assert (folder / "annotated.h5ad").exists()
    assert load(folder, "best")["epoch"] < result["epochs"]


def test_two_signals_end_at_once(tmp_path):
    folder = tmp_path / "run"
    arguments = ("model.batch_size=20", "trainer.max_epochs=1000", "logger=none")
    process = start(folder, *arguments)
    wait_for_epoch(process, folder, 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert read_result(folder)["status"] == "interrupted"
    assert not (folder / "annotated.h5ad").exists()


@pytest.fixture
def ctrl_c_works() -> Iterator[None]:
    """Also where the tests are started in the background of a script, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_before_the_first_epoch_is_no_failure(scyan_exp, tmp_path, monkeypatch):
    """Lightning answers such a signal by itself, with ``sys.exit(1)`` and a deaf process."""
    monkeypatch.setattr(
        "scyan_exp.training.interrupt.Interrupt.on_fit_start",
        lambda *_: signal.raise_signal(signal.SIGINT),  # to this very thread
        raising=False,
    )
    arguments = ["experiment=smoke", "logger=none", f"hydra.run.dir={tmp_path / 'run'}"]
    arguments += ["figures.draw=none"]
    code, output = scyan_exp("train", *arguments)
    assert code == 130
    assert "Traceback" not in output
    assert read_result(tmp_path / "run")["status"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_interrupting_a_sweep_starts_no_further_job(tmp_path):
    sweep = tmp_path / "sweep"
    command = ["-m", "scyan_exp", "train", "-m", *ARGUMENTS, "seed=0,1,2"]
    command += ["trainer.max_epochs=1000", "logger=none", f"hydra.sweep.dir={sweep}"]
    process = Process(command, cwd=tmp_path)
    wait_for_epoch(process, sweep / "0", 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert read_result(sweep / "0")["status"] == "interrupted"
    assert not (sweep / "1" / "result.json").exists()


@pytest.mark.slow
def test_no_process_is_left_when_the_first_of_two_is_killed(tmp_path):
    """DDP: the second process must not outlive the first, however that ended."""
    folder = tmp_path / "run"
    process = start(folder, "trainer=ddp", "trainer.max_epochs=1000", "logger=none")
    wait_for_epoch(process, folder, 1)
    peers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    (peer,) = map(int, peers.stdout.split())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while is_running(peer) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(peer)


def is_running(pid: int) -> bool:
    """Whether a process is there, and is not merely waiting to be reaped."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip() != "" and not done.stdout.startswith("Z")


def test_signals_and_memory_are_given_back(scyan_exp, tmp_path):
    """After a run in this process: the handlers of before, and no trainer that holds its cells."""
    import gc

    import pytorch_lightning as pl

    def trainers() -> list[pl.Trainer]:
        gc.collect()
        return [found for found in gc.get_objects() if type(found) is pl.Trainer]

    of_other_tests = {id(trainer) for trainer in trainers()}
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    arguments = ("experiment=smoke", "dataset.n_cells=1000", "logger=none", "figures.draw=none")
    arguments += ("trainer.max_epochs=1",)
    for name in ("first", "second"):
        code, output = scyan_exp("train", *arguments, f"hydra.run.dir={tmp_path / name}")
        assert code == 0, output
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert not [trainer for trainer in trainers() if id(trainer) not in of_other_tests]


QUICK = ("experiment=smoke", "dataset.n_cells=1000", "logger=none", "callbacks=none")
QUICK = (*QUICK, "figures.draw=none")


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """A run of five epochs; not to be changed."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("ended") / "run"
    assert main(["train", *QUICK, f"hydra.run.dir={folder}"]) == 0
    return folder


def quick(scyan_exp, folder: Path, *arguments: str) -> dict:
    code, output = scyan_exp("train", *QUICK, f"hydra.run.dir={folder}", *arguments)
    assert code == 0, output
    return read_result(folder)


def test_resuming_into_another_runs_folder_takes_over_its_own_best_epoch(scyan_exp, tmp_path):
    whole = quick(scyan_exp, tmp_path / "whole", "seed=0", "trainer.max_epochs=8")
    quick(scyan_exp, tmp_path / "part", "seed=0", "trainer.max_epochs=6")
    quick(scyan_exp, tmp_path / "other", "seed=5", "trainer.max_epochs=6")
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    arguments = ("seed=0", "trainer.max_epochs=8", f"ckpt_path={last}")
    resumed = quick(scyan_exp, tmp_path / "other", *arguments)
    assert resumed["metrics"] == whole["metrics"]
    best = load(tmp_path / "other", "best")
    assert best["hyper_parameters"]["seed"] == 0


def test_killed_between_its_two_checkpoints_a_run_still_ends_at_the_same_best(scyan_exp, tmp_path):
    """The best epoch is written before the last one: here it is ahead of it by one epoch."""
    whole = quick(scyan_exp, tmp_path / "whole", "trainer.max_epochs=8")
    for n_epochs, name in ((5, "ahead"), (4, "behind")):
        quick(scyan_exp, tmp_path / name, f"trainer.max_epochs={n_epochs}")
    ahead, behind = (tmp_path / name / "checkpoints" for name in ("ahead", "behind"))
    (behind / "best.ckpt").write_bytes((ahead / "best.ckpt").read_bytes())
    arguments = ("trainer.max_epochs=8", f"ckpt_path={behind / 'last.ckpt'}")
    assert quick(scyan_exp, tmp_path / "behind", *arguments)["metrics"] == whole["metrics"]


def test_a_run_that_had_stopped_early_is_not_trained_on(scyan_exp, tmp_path):
    early = ("callbacks=default", "callbacks.early_stopping.min_delta=1000")
    stop = (*early, "callbacks.early_stopping.patience=1", "trainer.max_epochs=20")
    first = quick(scyan_exp, tmp_path / "first", *stop)
    assert first["epochs"] < 20
    assert first["stopped_because"] == "the loss had not improved by 1000 for 1 epoch"
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    again = quick(scyan_exp, tmp_path / "again", *stop, f"ckpt_path={last}")
    assert (again["epochs"], again["metrics"]) == (first["epochs"], first["metrics"])
    assert again["stopped_because"] == first["stopped_because"]
    assert (tmp_path / "again" / "checkpoints" / "last.ckpt").exists()
    patient = (*early, "callbacks.early_stopping.patience=3", "trainer.max_epochs=20")
    longer = quick(scyan_exp, tmp_path / "longer", *patient, f"ckpt_path={last}")
    assert longer["epochs"] > first["epochs"]


def test_a_run_that_was_cut_off_after_its_last_epoch_is_not_trained_again(
    scyan_exp, ended, tmp_path
):
    whole = read_result(shutil.copytree(ended, tmp_path / "run"))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    (tmp_path / "run" / "annotated.h5ad").unlink()
    again = quick(scyan_exp, tmp_path / "run", f"ckpt_path={last}")
    assert (again["epochs"], again["metrics"]) == (whole["epochs"], whole["metrics"])
    assert again["stopped_because"] == "it had trained all 5 epochs (trainer.max_epochs)"
    assert last.read_bytes() == before
    assert (tmp_path / "run" / "annotated.h5ad").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_epochs=3", "5 epochs are trained already; set trainer.max_epochs above"),
        ("dataset.seed=9", "another preprocessing"),
        ("model.n_layers=3", "n_layers=4, this config gives n_layers=3"),
    ],
)
def test_what_is_no_earlier_state_of_this_run_is_refused(
    scyan_exp, ended, tmp_path, override, message
):
    last = ended / "checkpoints" / "last.ckpt"
    arguments = ("trainer.max_epochs=9", f"ckpt_path={last}", override)
    code, output = scyan_exp("train", *QUICK, f"hydra.run.dir={tmp_path / 'on'}", *arguments)
    assert code == 2
    assert message in output
    assert not (tmp_path / "on").exists()


def test_other_cells_are_noticed_without_scaling(scyan_exp, tmp_path):
    quick(scyan_exp, tmp_path / "run", "dataset.scale=false", "trainer.max_epochs=1")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    arguments = ("trainer.max_epochs=9", "dataset.scale=false", "dataset.seed=9")
    code, output = scyan_exp("train", *QUICK, *arguments, f"ckpt_path={last}")
    assert code == 2
    assert "was trained on other cells" in output


def test_a_folder_used_again_shows_one_run(scyan_exp, tmp_path):
    folder = tmp_path / "run"
    quick(scyan_exp, folder, "figures.draw=[loss]", "trainer.max_epochs=1")
    assert (folder / "figures").exists()
    code, _ = scyan_exp("train", *QUICK, f"hydra.run.dir={folder}", "model.lr=1e30")
    assert code == 1
    assert read_result(folder)["status"] == "failed"
    assert not (folder / "annotated.h5ad").exists()
    assert not (folder / "figures").exists()

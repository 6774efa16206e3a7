"""What people will see on W&B, read back from the files that W&B writes offline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from wandb.util import get_core_path

from tests.fleet.sweeps import until
from tests.starting import finished

QUICK = ("experiment=smoke", "dataset.n_cells=2000", "figures.draw=none")
#: What the command ``wandb`` starts for this, without its import of W&B.
WANDB = get_core_path()


def runs_of(folder: Path) -> list[Path]:
    """The transaction logs of the W&B runs in a run folder."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def inspect(path: Path, *options: str) -> str:
    where = ["--run-file", str(path), str(path.parents[1])]
    command = [WANDB, "leet", "inspect", "--no-observability", *options, "--json", *where]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def history(path: Path) -> list[dict]:
    """The rows that have a loss: one an epoch."""
    records = [json.loads(line) for line in inspect(path).splitlines()]
    rows = [r["history"]["item"] for r in records if r["type"] == "history"]
    return [row for row in rows if "loss" in row]


def summary(path: Path) -> dict:
    return json.loads(inspect(path, "--summary"))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory) -> Path:
    """The folder of a tracked run with a figure."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("tracked") / "run"
    draw = "figures.draw=[population_weights]"
    arguments = (
        *QUICK[:2],
        draw,
        "tags=[blood,test]",
        "group=mine",
        "seed=3",
        f"hydra.run.dir={folder}",
    )
    assert main(["train", *arguments]) == 0
    return folder


def test_every_epoch_has_the_loss_and_all_weights(tracked):
    (path,) = runs_of(tracked)
    rows = history(path)
    assert [row["epoch"] for row in rows] == list(range(5))
    for row in rows:
        weights = [value for name, value in row.items() if name.startswith("pi/")]
        assert len(weights) == 13
        assert sum(weights) == pytest.approx(1, abs=1e-5)
        assert {"loss", "ldj", "prior_std", "use_temperature", "lr", "cells_per_second"} <= set(row)


def test_config_name_group_tags_figures_and_summary(tracked):
    (path,) = runs_of(tracked)
    seen = summary(path)
    assert seen["config"]["model"]["prior_std"] == 0.3
    assert seen["config"]["seed"] == 3
    assert seen["name"] == (
        "dataset.n_cells=2000,experiment=smoke,figures.draw=[population_weights],group=mine,"
        "seed=3,tags=[blood,test]"
    )
    assert seen["state"] == "finished"
    assert seen["exit_code"] == 0
    result = json.loads((tracked / "result.json").read_text())
    assert seen["run_id"] == result["wandb_run_id"]
    for name, value in result["metrics"].items():
        assert seen["summary"][name] == pytest.approx(value)
    assert "figures/population_weights" in seen["summary"]
    (run,) = [r for r in map(json.loads, inspect(path).splitlines()) if r["type"] == "run"]
    assert run["run"]["run_group"] == "mine"
    assert run["run"]["tags"] == ["blood", "test"]
    assert run["run"]["job_type"] == "train"


def test_a_sweep_has_one_run_a_job_in_one_group(scyan_exp, tmp_path):
    sweep = tmp_path / "my_sweep"
    code, output = scyan_exp("train", "-m", *QUICK, "seed=0,1", f"hydra.sweep.dir={sweep}")
    assert code == 0, output
    names = []
    for job in ("0", "1"):
        (path,) = runs_of(sweep / job)
        assert not [name for name in summary(path)["summary"] if name.startswith("figures")]
        assert len(history(path)) == 5
        names.append(summary(path)["name"])
        (run,) = [r for r in map(json.loads, inspect(path).splitlines()) if r["type"] == "run"]
        assert run["run"]["run_group"] == "my_sweep"
    assert [name.split(",")[-1] for name in names] == ["seed=0", "seed=1"]


def test_the_run_is_finished_after_an_error(scyan_exp, tmp_path):
    folder = tmp_path / "run"
    code, _ = scyan_exp("train", *QUICK, "model.lr=1e30", f"hydra.run.dir={folder}")
    assert code == 1
    (path,) = runs_of(folder)
    assert summary(path)["exit_code"] == 1
    import wandb

    assert wandb.run is None


def test_disabled_writes_nothing(scyan_exp, tmp_path):
    folder = tmp_path / "run"
    code, _ = scyan_exp("train", *QUICK, "logger.mode=disabled", f"hydra.run.dir={folder}")
    assert code == 0
    assert not (folder / "wandb").exists()


def test_no_key_in_any_file(tmp_path):
    """A process of its own, with a key in its environment, as on a user's machine."""
    secret = "0123456789abcdef" * 2 + "deadbeef"
    command = ["-m", "scyan_exp", "train", *QUICK, "hydra.run.dir=run"]
    environment = {**os.environ, "WANDB_API_KEY": secret}
    finished(command, cwd=tmp_path, env=environment).check_returncode()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_online_without_a_login_is_explained(scyan_exp, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    folder = tmp_path / "run"
    code, output = scyan_exp("train", *QUICK, "logger.mode=online", f"hydra.run.dir={folder}")
    assert code == 2
    assert "logger.mode=online: W&B cannot be used (No API key configured" in output
    assert "use logger.mode=offline and `wandb sync` afterwards" in output
    assert "Traceback" not in output
    assert not folder.exists()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WANDB_MODE", "banana", "W&B: WANDB_MODE=banana: input should be 'online', 'offline'"),
        ("WANDB_RUN_ID", "a/b", "W&B: the environment variables WANDB_*: Run ID cannot contain"),
    ],
)
def test_a_wrong_variable_of_wandb_is_told_before_anything_is_written(
    variable, value, told, tmp_path
):
    """In a process of its own: W&B reads them once."""
    program = (
        "from scyan_exp.errors import InputError\n"
        "from scyan_exp.run.wandb_variables import check_variables\n"
        "try: check_variables()\n"
        "except InputError as error: print(error)"
    )
    environment = {**os.environ, variable: value}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(told), done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_wandb_starts_leaves_nothing_open(tmp_path):
    folder = tmp_path / "run"
    options = (*QUICK, "trainer.max_epochs=1000", "callbacks=none", f"hydra.run.dir={folder}")
    command = [sys.executable, "-m", "scyan_exp", "train", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    until((folder / "result.json").is_file)  # W&B has been told to start
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    (path,) = runs_of(folder)
    assert summary(path)["summary"]["outcome"] == "interrupted"
    until(lambda: not _has_processes(process.pid))


def _has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

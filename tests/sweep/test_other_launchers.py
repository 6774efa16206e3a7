"""The same jobs through Ray, submitit and joblib: real processes of each."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

SMALL = [
    "dataset.n_cells=2000",
    "model.batch_size=500",
    "trainer.max_epochs=4",
    "callbacks=none",
    "logger=none",
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Ray writes to the home folder; one thread everywhere, so that results are the same."""
    home = tmp_path_factory.mktemp("home")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CACHE_HOME": cache,
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "scyan_exp", *arguments]


def sweep(folder: Path, environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        command("train", "-m", *SMALL, *arguments, f"hydra.sweep.dir={folder}"),
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def weights(folder: Path) -> torch.Tensor:
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    return torch.cat([value.flatten().double() for value in state.values()]).nan_to_num(0.5)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, environment) -> Path:
    folder = tmp_path_factory.mktemp("basic") / "sweep"
    sweep(folder, environment, "seed=0,1,2")
    return folder


LAUNCHERS = {
    "ray": (
        "ray",
        [
            "hydra/launcher=fleet",
            "hydra.launcher.engine=ray",
            "+hydra.launcher.ray.init.num_cpus=2",
        ],
    ),
    "submitit": ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_local"]),
    "joblib": (
        "hydra_plugins.hydra_joblib_launcher",
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_results_are_those_of_the_basic_launcher(name, expected, environment, tmp_path):
    package, arguments = LAUNCHERS[name]
    pytest.importorskip(package)
    sweep(tmp_path / "sweep", environment, "seed=0,1,2", *arguments)
    for i in range(3):
        ours, theirs = tmp_path / "sweep" / str(i), expected / str(i)
        assert torch.equal(weights(ours), weights(theirs))
        for folder in (ours, theirs):
            assert json.loads((folder / "result.json").read_text())["status"] == "completed"
        name = "population_weights.csv"
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


@pytest.mark.slow
def test_ray_a_failed_and_a_killed_job(environment, tmp_path):
    pytest.importorskip("ray")
    folder = tmp_path / "sweep"
    arguments = [
        "seed=0,1",
        "model.lr=1e-3,1e30",
        *LAUNCHERS["ray"][1],
    ]
    sweep(folder, environment, *arguments, code=1)
    rows = list(csv.DictReader((folder / "sweep.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["completed", "failed", "completed", "failed"]
    assert "TrainingDiverged" in rows[1]["error"]
    before = (folder / "0" / "result.json").stat().st_mtime_ns
    done = subprocess.run(
        command("resume", str(folder)), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "2 of 4 jobs are completed already" in done.stderr
    assert (folder / "0" / "result.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_ray_ctrl_c_saves_and_resume_goes_on(environment, tmp_path):
    pytest.importorskip("ray")
    folder = tmp_path / "sweep"
    long = ["seed=0,1", "trainer.max_epochs=100000", *LAUNCHERS["ray"][1]]
    process = subprocess.Popen(
        command("train", "-m", *SMALL, *long, f"hydra.sweep.dir={folder}"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "0" / "checkpoints" / "last.ckpt").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    record = json.loads((folder / "0" / "result.json").read_text())
    assert record["status"] == "interrupted"
    assert "scyan-exp resume" in output


def test_a_launcher_that_is_not_installed_is_named(scyan_exp, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec

    def nothing_of_extras(name: str, *rest: object) -> object:
        return None if "joblib_launcher" in name else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", nothing_of_extras)
    code, output = scyan_exp("train", "-m", "seed=0,1", "hydra/launcher=joblib")
    assert code == 2
    assert "hydra/launcher=joblib: not installed; pip install 'scyan_exp[joblib]'" in output

"""The same jobs through Ray, submitit and joblib: real processes of each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from tests.search.apps import open_study
from tests.starting import finished

SMALL = [
    "dataset.n_cells=2000",
    "model.batch_size=500",
    "trainer.max_epochs=4",
    "callbacks=none",
    "logger=none",
    "figures.draw=none",
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
    return ["-m", "scyan_exp", *arguments]


def sweep(folder: Path, environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    done = finished(
        command("train", "-m", *SMALL, *arguments, f"hydra.sweep.dir={folder}"),
        cwd=folder.parent,
        env=environment,
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
@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_search_is_that_of_the_basic_launcher(name, environment, tmp_path):
    package, arguments = LAUNCHERS[name]
    pytest.importorskip(package)
    search = ["search=quick", "hydra.sweeper.sampler=random", "hydra.sweeper.n_trials=3"]
    search += ["hydra.sweeper.n_parallel=2", "hydra.sweeper.study_name=s"]
    found = []
    for folder, launcher in (("ours", arguments), ("theirs", ["hydra/launcher=basic"])):
        sweep(tmp_path / folder, environment, *search, *launcher)
        trials = open_study(tmp_path / folder, name="s").trials
        found.append([(trial.state.name, trial.params, trial.value) for trial in trials])
    assert found[0] == found[1]
    assert [state for state, _, _ in found[0]] == ["COMPLETE"] * 3


def test_a_launcher_that_is_not_installed_is_named(scyan_exp, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec

    def nothing_of_extras(name: str, *rest: object) -> object:
        return None if "joblib_launcher" in name else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", nothing_of_extras)
    code, output = scyan_exp("train", "-m", "seed=0,1", "hydra/launcher=joblib")
    assert code == 2
    assert "hydra/launcher=joblib: not installed; pip install 'scyan_exp[joblib]'" in output

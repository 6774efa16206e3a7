"""Trained runs to look at, made once, and folders as runs leave them, made at once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord

QUICK = ("model.batch_size=100", "trainer.max_epochs=2", "callbacks=none", "logger=none")
QUICK = (*QUICK, "flow=shallow", "report=false", "figures.draw=none")


@pytest.fixture(scope="session")
def outputs(tmp_path_factory) -> Path:
    """A sweep of the fleet's whose third job fails, and a run with repeats on fewer cells.

    Made once, also for several processes of pytest.
    """
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / "look" / "outputs"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder.parent / "done").exists():
            _train(folder)
            (folder.parent / "done").touch()
    return folder


def _train(folder: Path) -> None:
    from scyan_exp.cli.main import main

    fleet = ["hydra/launcher=fleet", "hydra.launcher.jobs_per_device=1"]
    sweep = [*fleet, f"hydra.sweep.dir={folder / 'sweep'}"]
    lr = "model.lr=0.001,0.002,1e30"
    assert main(["train", "-m", *QUICK, "dataset.n_cells=400", lr, *sweep]) == 1
    few = ["dataset.n_cells=300", "repeats=2", f"hydra.run.dir={folder / 'day' / 'repeats'}"]
    assert main(["train", *QUICK, *few]) == 0


@pytest.fixture
def copied(outputs, tmp_path) -> Path:
    """The runs, for a test that changes them."""
    shutil.copytree(outputs, tmp_path / "outputs")
    return tmp_path / "outputs"


def make_run(folder: Path, *overrides: str, status: str = "completed", **values) -> Path:
    """What a run leaves, as far as a list needs it."""
    config = {"objective": values.pop("goal", "heuristic")}
    RunFolder(folder).write_config(config, hydra={"hydra": {}}, overrides=list(overrides))
    if status != "not run":
        RunRecord(folder, "abc", 0, status=Outcome(status), **values).write()
    return folder


def make_sweep(folder: Path, objectives: dict[int, float | None], **values) -> Path:
    """A sweep of the fleet's over seeds; a job without an objective has failed."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for number, objective in objectives.items():
        own = {"objective": objective, "metrics": {"accuracy": 0.1 * number}, **values}
        if objective is None:
            own = {"status": "failed", "error": "ValueError: no", **values}
        make_run(folder / str(number), f"seed={number}", "flow=deep", **own)
        jobs.append({"number": number, "folder": str(number), "overrides": [f"seed={number}"]})
    SweepFolder(folder).manifest.write_text(json.dumps({"launcher": {}, "jobs": jobs}))
    typed = {"hydra": {"overrides": {"task": ["seed=0,1", "flow=deep"]}}}
    SweepFolder(folder).multirun.write_text(json.dumps(typed))  # JSON is YAML
    return folder

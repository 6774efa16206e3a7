"""Trained sweeps whose names are as hostile as a file allows; made once for all processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, clear_earlier
from tests.starting import finished

#: Names that would do harm if a page took them for markup.
SCRIPT = "<script>window.harmed=1</script>"
IMAGE = "<img src=x onerror=window.harmed=1>"
BREAK = "</script><script>window.harmed=1</script>"
LINK = "<a href='https://example.org'>CD3</a>"
POPULATIONS = (f"T {SCRIPT}", f"B {IMAGE}", f'NK "{BREAK}" & more')
MARKERS = (LINK, f"CD4{SCRIPT}", "CD8", "CD19${seed}")
FEW = ("trainer.max_epochs=3", "flow=shallow", "logger=none", "callbacks=none")


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """A folder that the first process that needs it makes, and the others wait for."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = root / f"report-{name}", root / f"report-{name}.done"
        with (root / f"report-{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


def command(*arguments: str, cwd: Path, report: str = "0") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    environment = {**os.environ, "SCYAN_EXP_REPORT": report}
    return finished(["-m", "scyan_exp", *arguments], cwd=cwd, env=environment)


def hostile_inputs(folder: Path, n_cells: int = 400) -> None:
    """A table and cells with harmful names; labels of two populations, and one of none."""
    rng = np.random.default_rng(0)
    rho = np.array([[1, 1, -1, -1], [-1, -1, -1, 1], [-1, -1, 1, -1]], float)
    z = rng.integers(3, size=n_cells)
    table = pd.DataFrame(
        rho.copy(), index=pd.Index(POPULATIONS, name="Populations"), columns=MARKERS
    )
    table.iloc[0, 2] = np.nan
    table.to_csv(folder / "table.csv")
    names = np.array([*POPULATIONS[:2], f"gate {SCRIPT}"])
    obs = pd.DataFrame(
        {"label": pd.Categorical(names[z]), "batch": pd.Categorical(["a"] * n_cells)},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    x = (rho[z] + 0.4 * rng.normal(size=(n_cells, 4))).astype(np.float32)
    var = pd.DataFrame(index=list(MARKERS))
    anndata.AnnData(x, obs=obs, var=var).write_h5ad(folder / "cells.h5ad")


HOSTILE = (
    *("dataset=h5ad", "dataset.path=cells.h5ad", "table.path=table.csv", *FEW),
    *("dataset.label_key=label", "objective=heuristic"),
)


def _sweep(folder: Path) -> None:
    hostile_inputs(folder)
    subset = f"dataset.subset={{batch:a}},{{batch:'{IMAGE}'}}"
    swept = ("model.prior_std=0.2,0.4", "seed=0,1", subset)
    done = command(
        *("train", "-m", *HOSTILE, *swept, "hydra/launcher=fleet", "hydra.launcher.devices=cpu"),
        *("hydra.launcher.jobs_per_device=1", "hydra.sweep.dir=sweep"),
        cwd=folder,
        report="1",
    )
    assert done.returncode == 1, done.stdout + done.stderr  # half of the jobs have no such batch
    (folder / "output.txt").write_text(done.stdout)


def _search(folder: Path) -> None:
    done = command(
        *("train", "search=quick", "hydra.sweeper.n_trials=4", "objective=[heuristic,loss]"),
        *("dataset.n_cells=400", *FEW, "hydra.launcher.devices=cpu", "repeats=2"),
        "figures.draw=none",
        *("hydra.launcher.jobs_per_device=1", "hydra.sweep.dir=search"),
        cwd=folder,
        report="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def sweep(shared) -> Path:
    """2 prior_std x 2 seeds that are completed, and as many jobs that failed; with its page."""
    return shared("sweep", _sweep) / "sweep"


@pytest.fixture(scope="session")
def search(shared) -> Path:
    """Four trials of two repeats and two objectives; with its page."""
    return shared("search", _search) / "search"


@pytest.fixture(scope="session")
def himc_sweep(shared, real_data) -> Path:
    """12 jobs on HIMC Plate3: 3 prior_std x 2 temperatures x 2 seeds; with page and W&B files."""
    himc = real_data / "himc"

    def make(folder: Path) -> None:
        done = command(
            *("train", "-m", "dataset=h5ad", f"dataset.path={himc / 'himc.h5ad'}"),
            *("dataset.subset={batch:Plate3}", "dataset.label_key=cell_type"),
            *(f"table.path={himc / 'table.csv'}", "trainer.max_epochs=6"),
            *("model.prior_std=0.2,0.3,0.4", "model.temperature=0.5,1.5", "seed=0,1"),
            *("hydra/launcher=fleet", "hydra.launcher.devices=cpu", "hydra.sweep.dir=sweep"),
            cwd=folder,
            report="1",
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return shared("himc", make) / "sweep"


@pytest.fixture
def failed_run(sweep, tmp_path) -> Path:
    """A run that began and failed, with a harmful message."""
    copy = shutil.copytree(sweep / "0", tmp_path / "run")
    clear_earlier(copy)
    record = RunRecord.of_run(copy)
    record.metrics, record.objective, record.trust = {}, None, None
    record.fail(Outcome.FAILED, f"ValueError: {IMAGE}")
    return copy

"""Sweeps and their inputs, for the tests of this folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from omegaconf import open_dict

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.fleet.jobs import Job, compose_jobs
from scyan_exp.fleet.manifest import write_jobs
from tests.conftest import TABLE, small_adata
from tests.fleet.sweeps import QUICK, TWO, Sweep, _end, shared
from tests.search.apps import App
from tests.slurm_cluster import SlurmCluster, missing, slurm_cluster


@pytest.fixture
def make_sweep(tmp_path) -> Iterator[Callable[..., Sweep]]:
    """Sweeps in folders of this test; nothing of them outlives it."""
    sweeps: list[Sweep] = []

    def make(name: str = "sweep", folder: Path = tmp_path) -> Sweep:
        sweeps.append(Sweep(folder / name))
        return sweeps[-1]

    yield make
    for sweep in sweeps:
        _end(sweep)


@pytest.fixture
def make_app(tmp_path) -> Iterator[Callable[..., App]]:
    """Programs in folders of this test; nothing of them outlives it."""
    apps: list[App] = []

    def make(name: str = "sweep", **options) -> App:
        apps.append(App(tmp_path / name, **options))
        return apps[-1]

    yield make
    for app in apps:
        _end(app)


@pytest.fixture
def jobs(tmp_path, hydra_restore_singletons) -> Callable[..., list[Job]]:
    """Jobs in their folders below ``sweep``, one for each thing to do, see ``tasks.py``."""
    folder = tmp_path / "sweep"
    of_hydra = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={folder}"]
    composed = compose_config(of_hydra, with_hydra=True)

    def write(*things: str) -> list[Job]:
        jobs = compose_jobs(lambda _: composed.copy(), [[]] * len(things), 0, None)
        for job, does in zip(jobs, things, strict=True):
            with open_dict(job.config):
                job.config.does, job.config.value = does, job.number + 0.5
        write_jobs(jobs, folder, {})
        return jobs

    return write


@pytest.fixture(scope="session")
def slurm_daemons() -> Iterator[SlurmCluster]:
    """A Slurm cluster of one node with four CPUs and two shares of a GPU that is none."""
    absent = missing()
    if absent:
        pytest.skip(f"no Slurm on this machine: {', '.join(absent)} (slurm-wlm, munge)")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,  # short enough for sockets
        slurm_cluster(Path(folder)) as cluster,
    ):
        yield cluster


@pytest.fixture
def slurm(slurm_daemons, monkeypatch) -> Iterator[SlurmCluster]:
    """The cluster, for this process and those that it starts; nothing stays in its queue."""
    for name, value in slurm_daemons.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # tasks of tests
    yield slurm_daemons
    slurm_daemons.cancel_all()


@pytest.fixture
def sweep(make_sweep) -> Sweep:
    return make_sweep()


@pytest.fixture(scope="module")
def two_jobs(tmp_path_factory) -> Sweep:
    """Two quick jobs that are completed; what was said stands in ``output.txt`` beside them."""
    return shared(tmp_path_factory, "two", [*QUICK, TWO, "seed=0,1"])


@pytest.fixture
def copied(two_jobs, make_sweep) -> Sweep:
    """A copy of ``two_jobs``, to be damaged."""
    sweep = make_sweep()
    shutil.copytree(two_jobs.folder, sweep.folder)
    return sweep


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Cells and a table of one's own, twice."""
    paths = {name: tmp_path / name for name in ("cells.h5ad", "damaged.h5ad", "table.csv")}
    small_adata().write_h5ad(paths["cells.h5ad"])
    paths["damaged.h5ad"].write_bytes(paths["cells.h5ad"].read_bytes()[:4000])
    paths["table.csv"].write_text(TABLE)
    return paths


@pytest.fixture
def compose_all(tmp_path, hydra_restore_singletons):
    """Compose jobs of a sweep into ``tmp_path/sweep``."""
    sweep = tmp_path / "sweep"

    def run(*job_overrides: list[str], always: Sequence[str] = (), first: int = 0) -> list[Job]:
        def load(overrides: list[str]):
            of_hydra = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={sweep}", *always]
            return compose_config([*of_hydra, *overrides], with_hydra=True)

        return compose_jobs(load, job_overrides, first, check_config)

    return run

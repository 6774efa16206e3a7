"""Sweeps and searches through every engine: the same endings, with real processes of each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fleet.sweeps import (
    ENDLESS,
    FOUR,
    QUICK,
    STEADY,
    Sweep,
    assert_same_training,
    ended,
    kill_worker,
    shared,
    until,
)
from tests.search.apps import open_study, states

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = pytest.mark.slow
ENGINES = {
    "local": ("hydra.launcher.jobs_per_device=2",),
    "ray": ("hydra.launcher.engine=ray", "+hydra.launcher.ray.init.num_cpus=2"),
    "slurm": (
        "hydra.launcher.engine=slurm",
        "hydra.launcher.slurm.n_parallel=2",
        "hydra.launcher.slurm.ask_every_s=1",
    ),
}
SEARCH = ("search=quick", "hydra.sweeper.sampler=random", "hydra.sweeper.pruner=none")


@pytest.fixture
def ray_home(monkeypatch, tmp_path) -> None:
    """Ray writes to the home folder; the C compiled earlier is still found."""
    pytest.importorskip("ray")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(params=ENGINES)
def engine(request) -> tuple[str, ...]:
    """The overrides that choose an engine of two slots, on a cluster of its own."""
    of_engine = {"ray": "ray_home", "slurm": "slurm"}
    if request.param in of_engine:
        request.getfixturevalue(of_engine[request.param])
    return ENGINES[request.param]


@pytest.fixture
def two_nodes(ray_home) -> Iterator[Cluster]:
    """A Ray cluster of two nodes on this machine, with room for a job each."""
    from ray.cluster_utils import Cluster

    before = signal.getsignal(signal.SIGTERM)
    one_job = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=one_job)
    cluster.add_node(num_cpus=1)
    signal.signal(signal.SIGTERM, before)  # Ray sets its own
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Sweep:
    """Jobs of ``STEADY`` that were left alone."""
    return shared(tmp_path_factory, "uncut", [*STEADY, FOUR, "seed=0,1,2,3"])


def killed(sweep: Sweep, job: int) -> None:
    """Kill the process that runs a job."""
    until(lambda: sweep.worker(job) is not None, sweep.started[-1])
    os.kill(sweep.worker(job), signal.SIGKILL)


def test_failed_jobs_fail_alone_and_a_resume_runs_only_them(sweep, engine):
    ended(sweep.train(*QUICK, *engine, "seed=0,1", "model.lr=1e-3,1e30"), code=1)
    assert sweep.statuses == ["completed", "failed", "completed", "failed"]
    assert "TrainingDiverged" in sweep.rows[1]["error"]
    kept = sweep.completed()
    output = ended(sweep.resume(), code=1)
    assert "2 of 4 jobs are completed already" in output
    assert sweep.completed() == kept


def test_a_killed_worker_and_a_killed_launcher_change_no_result(sweep, engine, uncut):
    process = sweep.train(*STEADY, *engine, "seed=0,1,2")
    kill_worker(sweep, 1, process)
    until(lambda: (sweep.folder / "2" / "train.log").exists(), process)
    process.kill()
    process.communicate()
    kept = sweep.completed()
    ended(sweep.resume())
    assert set(sweep.statuses) <= {"completed", "kept"}
    now = sweep.completed()
    assert {job: now[job] for job in kept} == kept
    for job in range(3):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))
    assert "Continuing from" in sweep.log(1)


def test_ctrl_c_saves_what_runs_and_resume_goes_on(sweep, engine):
    process = sweep.train(*ENDLESS, *engine, "seed=0,1", "trainer.max_epochs=300")
    checkpoint = sweep.folder / "0" / "checkpoints" / "last.ckpt"
    until(lambda: checkpoint.exists() and sweep.epochs(1) > 0, process)
    process.send_signal(signal.SIGINT)
    assert "scyan-exp resume" in ended(process, code=130)
    assert sweep.result(0)["status"] == "interrupted"
    done = [sweep.epochs(0), sweep.epochs(1)]
    assert 0 < min(done) <= max(done) < 300
    process = sweep.resume()
    until(lambda: sweep.epochs(0) > done[0] and sweep.epochs(1) > done[1], process)
    assert sweep.result(0)["status"] == "running"
    process.send_signal(signal.SIGINT)
    ended(process, code=130)


def test_a_search_that_is_killed_ends_as_one_that_was_not(make_sweep, engine):
    short = (*STEADY, "dataset.n_cells=8000", "trainer.max_epochs=8")
    arguments = (*SEARCH, *short, *engine, "hydra.sweeper.n_trials=4")
    uncut, cut = make_sweep("uncut"), make_sweep("cut")
    ended(uncut.train(*arguments, "hydra.sweeper.study_name=a"))
    process = cut.train(*arguments, "hydra.sweeper.study_name=b")
    killed(cut, 1)
    until(lambda: (cut.folder / "2").is_dir(), process)
    process.kill()
    process.communicate()
    ended(cut.resume())
    expected = open_study(uncut.folder, name="a").trials
    found = open_study(cut.folder, name="b")
    assert states(found) == ["COMPLETE"] * 4
    assert [trial.params for trial in found.trials] == [trial.params for trial in expected]
    assert [trial.value for trial in found.trials] == pytest.approx(
        [trial.value for trial in expected], rel=1e-6
    )


def test_the_job_of_a_node_that_goes_down_goes_on_elsewhere(sweep, two_nodes, uncut):
    address = f"+hydra.launcher.ray.init.address='{two_nodes.address}'"
    process = sweep.train(*STEADY, "hydra.launcher.engine=ray", address, "seed=0,1")
    until(lambda: sweep.epochs(0) > 0 and sweep.epochs(1) > 0, process)
    two_nodes.remove_node(next(iter(two_nodes.worker_nodes)), allow_graceful=False)
    assert "trying again" in ended(process)
    assert sweep.statuses == ["completed"] * 2
    assert sorted("Continuing from" in sweep.log(job) for job in (0, 1)) == [False, True]
    for job in (0, 1):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))

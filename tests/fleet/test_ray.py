"""Sweeps and searches through Ray: failures, kills and signals, with real processes of Ray's."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fleet.sweeps import ENDLESS, QUICK, STEADY, Sweep, ended, until
from tests.search.apps import open_study, states

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
RAY = ("hydra.launcher.engine=ray", "+hydra.launcher.ray.init.num_cpus=2")
SEARCH = ("search=quick", "hydra.sweeper.sampler=random", "hydra.sweeper.pruner=none", *RAY)


@pytest.fixture(autouse=True)
def ray_at_home(monkeypatch, tmp_path) -> None:
    """Ray writes to the home folder; the C compiled earlier is still found."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


def killed(sweep: Sweep, job: int) -> None:
    """Kill the process that runs a job."""
    until(lambda: sweep.worker(job) is not None, sweep.started[-1])
    os.kill(sweep.worker(job), signal.SIGKILL)


def test_failed_jobs_fail_alone_and_a_resume_runs_only_them(sweep):
    ended(sweep.train(*QUICK, *RAY, "model.lr=1e-3,1e30"), code=1)
    assert sweep.statuses == ["completed", "failed"]
    assert "TrainingDiverged" in sweep.rows[1]["error"]
    kept = sweep.completed()
    output = ended(sweep.resume(), code=1)
    assert "1 of 2 jobs are completed already" in output
    assert sweep.completed() == kept


def test_a_job_whose_process_is_killed_is_tried_again(sweep):
    process = sweep.train(*STEADY, *RAY, "seed=0,1")
    killed(sweep, 1)
    output = ended(process)
    assert "job 1: " in output
    assert "trying again" in output
    assert sweep.statuses == ["completed"] * 2


def test_ctrl_c_saves_what_runs_and_resume_goes_on(sweep):
    process = sweep.train(*ENDLESS, *RAY, "seed=0,1", "trainer.max_epochs=300")
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


def test_a_search_that_is_killed_ends_as_one_that_was_not(make_sweep):
    short = (*STEADY, "dataset.n_cells=8000", "trainer.max_epochs=12")
    arguments = (*SEARCH, *short, "hydra.sweeper.n_trials=3")
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
    assert states(found) == ["COMPLETE"] * 3
    assert [trial.params for trial in found.trials] == [trial.params for trial in expected]
    assert [trial.value for trial in found.trials] == pytest.approx(
        [trial.value for trial in expected], rel=1e-6
    )

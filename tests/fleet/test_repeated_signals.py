"""Jobs with repeats whose repeats or launcher are killed or interrupted, and go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from contextlib import suppress

import pytest

from tests.fleet.repeated import assert_same_jobs, repeats_in, result, trained
from tests.fleet.sweeps import FOUR, STEADY, TWO, Sweep, ended, no_process_is_left, shared, until

#: Two jobs of two repeats, for tests that cut them off.
PAIRS = (*STEADY, "repeats=2", "seed=0,10")


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Sweep:
    """``PAIRS``, left alone."""
    return shared(tmp_path_factory, "pairs", [*PAIRS, FOUR])


# ---------------------------------------------------------------- workers


def kill_training(sweep: Sweep, place: str, process) -> None:
    """Kill the process of a training that has written a checkpoint."""
    last = sweep.folder / place / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns if last.exists() else 0
    until(lambda: last.exists() and last.stat().st_mtime_ns > before, process, "checkpoint")
    pid = sweep.worker(place)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_training_whose_worker_is_killed_continues_in_another(sweep, uncut):
    process = sweep.train(*PAIRS, TWO)
    kill_training(sweep, "0/seed_1", process)
    output = ended(process)
    assert "job 0: its process was killed by SIGKILL (out of memory?); trying again" in output
    assert sweep.statuses == ["completed"] * 2
    assert "Continuing from" in (sweep.folder / "0/seed_1/train.log").read_text()
    assert "Continuing from" not in (sweep.folder / "0/seed_0/train.log").read_text()
    assert_same_jobs(sweep, uncut)


@pytest.mark.slow
def test_a_training_that_is_lost_for_good_fails_its_job(sweep, uncut):
    process = sweep.train(*PAIRS, TWO, "hydra.launcher.retries=0")
    kill_training(sweep, "0/seed_0", process)
    ended(process, code=1)
    assert sweep.statuses == ["lost", "completed"]
    assert sweep.rows[0]["error"].startswith("seed 0: its process was killed by SIGKILL")
    lost = result(sweep.folder / "0/seed_0")
    assert lost["status"] == "lost"
    assert lost["error"].startswith("its process was killed by SIGKILL")
    assert result(sweep.folder / "0/seed_1")["status"] == "completed"
    ended(sweep.resume())
    assert sweep.statuses == ["completed", "kept"]
    assert "Continuing from" in (sweep.folder / "0/seed_0/train.log").read_text()
    assert_same_jobs(sweep, uncut)


# ---------------------------------------------------------------- launchers


@pytest.mark.slow
def test_a_killed_launcher_loses_nothing_and_resume_goes_on(sweep, uncut):
    process = sweep.train(*PAIRS, TWO)
    until(lambda: trained(sweep) and sweep.epochs("1/seed_10") > 1, process)
    process.kill()
    process.communicate()
    no_process_is_left(sweep)
    before = trained(sweep)
    ended(sweep.resume())
    assert set(sweep.statuses) <= {"completed", "kept"}
    after = trained(sweep)
    assert {folder: after[folder] for folder in before} == before
    assert_same_jobs(sweep, uncut)
    no_process_is_left(sweep)


@pytest.mark.slow
def test_often_killed_launchers_lose_nothing(sweep, uncut):
    kept: dict = {}
    for i in range(3):
        begun = (sweep.folder / "sweep.json").exists()
        process = sweep.resume() if begun else sweep.train(*PAIRS, TWO)
        with suppress(subprocess.TimeoutExpired):
            process.wait(random.Random(i).uniform(1, 5))
        process.kill()
        process.communicate()
        no_process_is_left(sweep)
        now = trained(sweep)
        assert {folder: now.get(folder) for folder in kept} == kept
        kept = now
    ended(sweep.resume())
    assert set(sweep.statuses) <= {"completed", "kept"}
    now = trained(sweep)
    assert {folder: now[folder] for folder in kept} == kept
    assert_same_jobs(sweep, uncut)


@pytest.mark.slow
def test_ctrl_c_saves_repeats_and_resume_goes_on(sweep, uncut):
    process = sweep.train(*PAIRS, TWO)
    until(lambda: min(sweep.epochs("0/seed_0"), sweep.epochs("0/seed_1")) > 0, process)
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130)
    assert f"To go on: scyan-exp resume {sweep.folder}" in output
    assert "Traceback" not in output
    no_process_is_left(sweep)
    assert sweep.statuses == ["interrupted", "not run"]
    for seed in (0, 1):
        assert result(sweep.folder / f"0/seed_{seed}")["status"] == "interrupted"
        assert (sweep.folder / f"0/seed_{seed}/annotated.h5ad").exists()
    assert not (sweep.folder / "0/annotated.h5ad").exists()

    ended(sweep.resume("jobs_per_device=4"))
    assert sweep.statuses == ["completed"] * 2
    for folder in repeats_in(sweep):
        went_on = "Continuing from" in (folder / "train.log").read_text()
        assert went_on == (folder.parent.name == "0")
    assert_same_jobs(sweep, uncut)

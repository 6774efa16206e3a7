"""Workers and launchers of the fleet that are killed or interrupted, and go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from scyan_exp.fleet.signals import signals_wait
from tests.fleet.sweeps import (
    ENDLESS,
    FOUR,
    QUICK,
    STEADY,
    TWO,
    Sweep,
    assert_same_training,
    ended,
    kill_worker,
    no_process_is_left,
    shared,
    until,
)


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Sweep:
    """Four jobs of ``STEADY``, left alone."""
    return shared(tmp_path_factory, "uncut", [*STEADY, FOUR, "seed=0,1,2,3"])


# ---------------------------------------------------------------- workers


@pytest.mark.slow
def test_a_lost_worker_is_replaced_and_its_job_continues(sweep, uncut):
    process = sweep.train(*STEADY, TWO, "seed=0,1")
    kill_worker(sweep, 1, process)
    output = ended(process)
    assert "job 1: its process was killed by SIGKILL (out of memory?); trying again" in output
    assert sweep.statuses == ["completed"] * 2
    assert "Continuing from" in sweep.log(1)
    assert "Continuing from" not in sweep.log(0)
    for job in (0, 1):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


@pytest.mark.slow
def test_a_job_that_another_program_interrupts_is_not_taken_for_completed(sweep):
    """A signal to a worker alone: the sweep goes on, and says in the end what is missing."""
    process = sweep.train(*ENDLESS, TWO, "hydra.launcher.retries=0", "seed=0,1")
    for job in (0, 1):
        until(lambda job=job: sweep.epochs(job) > 1, process)
        os.kill(sweep.worker(job), signal.SIGTERM)
    output = ended(process, code=1)
    assert "Traceback" not in output
    assert "completed" not in sweep.statuses


# ---------------------------------------------------------------- launchers


def kill_and_resume(sweep: Sweep, arguments: Sequence[str], n_kills: int, longest: float) -> None:
    """Kill the launcher at random moments; no completed job may be lost or run again."""
    kept: dict[int, tuple] = {}
    for i in range(n_kills):
        has_jobs = (sweep.folder / "sweep.json").exists()
        process = sweep.resume() if has_jobs else sweep.train(*arguments)
        wait = random.Random(i).uniform(1, longest)
        with suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        process.kill()
        process.communicate()
        no_process_is_left(sweep)
        now = sweep.completed()
        assert {job: now.get(job) for job in kept} == kept
        kept = now
    ended(sweep.resume() if (sweep.folder / "sweep.json").exists() else sweep.train(*arguments))
    assert set(sweep.statuses) <= {"completed", "kept"}
    now = sweep.completed()
    assert {job: now.get(job) for job in kept} == kept
    assert len(now) == len(sweep.rows)
    no_process_is_left(sweep)


def test_killed_launchers_lose_nothing(sweep, uncut):
    kill_and_resume(sweep, [*STEADY, TWO, "seed=0,1,2,3"], 2, 5)
    for job in range(4):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


@pytest.mark.slow
def test_often_killed_launchers_lose_nothing(sweep, uncut):
    kill_and_resume(sweep, [*STEADY, TWO, "seed=0,1,2,3,4,5"], 4, 6)
    for job in range(4):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


@pytest.mark.slow
def test_a_killed_launcher_leaves_no_service_of_wandb(sweep):
    arguments = [one for one in ENDLESS if not one.startswith("logger")]
    process = sweep.train(*arguments, TWO, "seed=0,1", "logger=wandb")
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in sweep.processes()]
    assert any(b"wandb" in command for command in commands)
    process.kill()
    process.communicate()
    no_process_is_left(sweep)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_one_signal_saves_what_runs_and_resume_continues(sweep, uncut, number):
    process = sweep.train(*STEADY, TWO, "seed=0,1,2,3")
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    process.send_signal(number)
    output = ended(process, code=130)
    assert f"To go on: scyan-exp resume {sweep.folder}" in output
    assert "Traceback" not in output
    no_process_is_left(sweep)
    assert sweep.statuses == ["interrupted", "interrupted", "not run", "not run"]
    for job in (0, 1):
        assert sweep.result(job)["status"] == "interrupted"
        assert (sweep.folder / str(job) / "annotated.h5ad").exists()
    assert not (sweep.folder / "2" / "result.json").exists()

    ended(sweep.resume("jobs_per_device=4"))
    assert sweep.statuses == ["completed"] * 4
    for job in range(4):
        assert ("Continuing from" in sweep.log(job)) == (job < 2)
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


@pytest.mark.slow
def test_two_signals_end_at_once(sweep):
    arguments = [*ENDLESS, "dataset.n_cells=100000", "model.batch_size=20", TWO]
    process = sweep.train(*arguments, "seed=0,1,2")
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130, timeout=60)
    assert "Traceback" not in output
    assert sweep.statuses == ["interrupted", "interrupted", "not run"]
    no_process_is_left(sweep)


class Dropping:
    """An exception in its destructor is dropped, as Python does."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_python_would_drop_waits_for_the_next_job():
    reached = []

    def compose():
        with signals_wait() as stop_if_asked:
            for job in range(3):
                stop_if_asked()
                reached.append(job)
                Dropping()

    with pytest.raises(KeyboardInterrupt):
        compose()
    assert reached == [0]
    with pytest.raises(KeyboardInterrupt), signals_wait():
        Dropping()  # at the last job
    with signals_wait() as stop_if_asked:
        stop_if_asked()


@pytest.mark.slow
def test_a_signal_while_the_jobs_are_composed_ends_with_130(sweep):
    process = sweep.train(*QUICK, "seed=" + ",".join(map(str, range(60))))
    until((sweep.folder / "multirun.yaml").exists, process)
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130)
    assert "Traceback" not in output
    no_process_is_left(sweep)

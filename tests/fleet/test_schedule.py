"""The schedule of a sweep on an engine that rehearses; nothing is trained here."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.config.check import config_hash
from scyan_exp.files import write_json
from scyan_exp.fleet.engines.base import Ended
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.progress import Progress
from scyan_exp.fleet.schedule import Policy, Row, Schedule
from scyan_exp.run.record import RunRecord
from tests.fleet.units import job


class Rehearsal:
    """An engine whose jobs end as told, one at a time, in the order of their start.

    Args:
        ends: how the attempts of a job end; those not mentioned complete.
        n_slots: jobs at a time.
        at_start: called with the number of each job that is started.
    """

    def __init__(
        self,
        ends: dict[int, Sequence[str]] | None = None,
        n_slots: int = 2,
        at_start: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.n_slots, self.at_start = n_slots, at_start
        self.ends = {number: list(told) for number, told in (ends or {}).items()}
        self.started: list[int] = []
        self.told: list[int] = []
        self.killed = False
        self.running: list[Job] = []
        self.most_at_once = 0

    def submit(self, job: Job) -> None:
        self.running.append(job)
        self.started.append(job.number)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.at_start(job.number)

    def wait(self, seconds: float) -> list[Ended]:
        job = self.running.pop(0)
        status = self.ends[job.number].pop(0) if self.ends.get(job.number) else "completed"
        if self.killed:
            status = "lost"
        elif job.number in self.told and status == "completed":
            status = "interrupted"
        value = float(job.number) if status == "completed" else None
        error = None if status == "completed" else f"{status}!"
        return [Ended(job, status, value, error, 2.0, "here")]

    def interrupt(self) -> None:
        self.told += [job.number for job in self.running if job.number not in self.told]

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        pass


def play(
    tmp_path: Path, engine: Rehearsal, n_jobs: int = 4, policy: Policy | None = None
) -> list[Row]:
    jobs = [job(i, tmp_path / str(i)) for i in range(n_jobs)]
    csv_path = tmp_path / "sweep.csv"
    return Schedule(jobs, engine, policy or Policy(), csv_path, Progress()).run()


def statuses(rows: Sequence[Row]) -> list[str]:
    return [row.status for row in rows]


def test_jobs_start_in_order_in_all_slots_and_the_table_is_kept(tmp_path):
    engine = Rehearsal(n_slots=3)
    rows = play(tmp_path, engine, n_jobs=7)
    assert engine.started == list(range(7))
    assert engine.most_at_once == 3
    assert [(row.status, row.value) for row in rows] == [("completed", float(i)) for i in range(7)]
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["objective"] for row in csv.DictReader(file)] == [f"{i}.0" for i in range(7)]


def test_the_table_is_up_to_date_while_jobs_run(tmp_path):
    seen = []

    def look(number: int) -> None:
        with (tmp_path / "sweep.csv").open() as file:
            seen.append([row["status"] for row in csv.DictReader(file)])

    play(tmp_path, Rehearsal(n_slots=1, at_start=look), n_jobs=3)
    assert [one.count("completed") for one in seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("policy", "ends", "expected", "n_attempts"),
    [
        (Policy(), ["lost"], "completed", 2),
        (Policy(), ["lost", "lost"], "lost", 2),
        (Policy(retries=0), ["lost"], "lost", 1),
        (Policy(retries=3), ["lost"] * 3, "completed", 4),
        (Policy(), ["failed"], "failed", 1),
        (Policy(), ["timed out"], "timed out", 1),
        (Policy(error_retries=1), ["failed"], "completed", 2),
        (Policy(error_retries=1), ["timed out"], "completed", 2),
        (Policy(error_retries=2), ["failed"] * 3, "failed", 3),
    ],
)
def test_which_failures_are_tried_again(tmp_path, policy, ends, expected, n_attempts):
    engine = Rehearsal({1: ends})
    rows = play(tmp_path, engine, policy=policy)
    assert rows[1].status == expected
    assert rows[1].attempts == engine.started.count(1) == n_attempts
    assert rows[1].seconds == 2.0 * n_attempts
    assert (rows[1].error is None) == (expected == "completed")
    assert statuses([rows[0], *rows[2:]]) == ["completed"] * 3


def test_a_failure_does_not_stop_the_others_unless_asked_to(tmp_path):
    ends = {1: ["failed"]}
    assert statuses(play(tmp_path, Rehearsal(ends))).count("completed") == 3
    rows = play(tmp_path, Rehearsal(ends), n_jobs=6, policy=Policy(stop_on_failure=True))
    assert statuses(rows) == ["completed", "failed", "completed", *["not run"] * 3]


def test_stop_on_failure_waits_for_the_last_attempt(tmp_path):
    policy = Policy(retries=1, stop_on_failure=True)
    rows = play(tmp_path, Rehearsal({0: ["lost"]}, n_slots=1), policy=policy)
    assert statuses(rows) == ["completed"] * 4


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_starts_no_new_job_and_passes_it_on(tmp_path, number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    engine = Rehearsal(at_start=lambda job: signal.raise_signal(number) if job == 1 else None)
    rows = play(tmp_path, engine, n_jobs=5)
    assert statuses(rows) == ["interrupted"] * 2 + ["not run"] * 3
    assert (engine.told, engine.killed) == ([0, 1], False)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_job_that_a_signal_found_starting_is_interrupted_too(tmp_path):
    """The engine may not know of it yet when the signal comes."""

    class Late(Rehearsal):
        def submit(self, job: Job) -> None:
            if job.number == 1:
                signal.raise_signal(signal.SIGINT)
            super().submit(job)

    engine = Late(n_slots=2)
    rows = play(tmp_path, engine, n_jobs=3)
    assert engine.told == [0, 1]
    assert statuses(rows) == ["interrupted", "interrupted", "not run"]


def test_a_second_signal_kills(tmp_path):
    def twice(number: int) -> None:
        if number == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    engine = Rehearsal({0: ["lost"]}, at_start=twice)
    rows = play(tmp_path, engine, n_jobs=5)
    assert (engine.told, engine.killed) == ([0, 1], True)
    assert statuses(rows) == ["interrupted"] * 2 + ["not run"] * 3
    assert engine.started == [0, 1]


def test_a_lost_job_is_not_tried_again_after_a_signal(tmp_path):
    at_start = {1: signal.SIGINT}
    engine = Rehearsal(
        {0: ["lost"]}, at_start=lambda n: n in at_start and signal.raise_signal(at_start[n])
    )
    rows = play(tmp_path, engine)
    assert rows[0].status == "lost"
    assert engine.started == [0, 1]


@pytest.mark.parametrize(("retries", "expected"), [(0, "lost"), (1, "completed")])
def test_a_signal_to_a_worker_alone_is_a_loss(tmp_path, retries, expected):
    engine = Rehearsal({1: ["interrupted"]})
    rows = play(tmp_path, engine, policy=Policy(retries=retries))
    assert statuses(rows) == ["completed", expected, "completed", "completed"]


# ---------------------------------------------------------------- results and records


PLAIN = {"objective": "loss", "seed": 0, "trainer": {"devices": 1, "max_epochs": 5}}


def completed(folder: Path, plain: dict, **changes: object) -> Job:
    """A job whose folder holds a result."""
    record = RunRecord(folder, config_hash(plain), 0)
    record.end("completed", {"loss": 0.5}, "loss")
    if changes:
        write_json(record.path, {**json.loads(record.path.read_text()), **changes})
    return Job(0, folder, [], OmegaConf.create({}), plain)


def run_one(job: Job, tmp_path: Path) -> tuple[Row, Rehearsal]:
    engine = Rehearsal()
    (row,) = Schedule([job], engine, Policy(), tmp_path / "sweep.csv", Progress()).run()
    return row, engine


def test_a_completed_job_is_kept(tmp_path):
    job = completed(tmp_path / "0", PLAIN)
    before = (tmp_path / "0" / "result.json").read_bytes()
    row, engine = run_one(job, tmp_path)
    assert (row.status, row.value, engine.started) == ("kept", 0.5, [])
    assert (tmp_path / "0" / "result.json").read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [{"status": "running"}, {"status": "failed"}, {"config_hash": "0" * 16}, {"metrics": {}}],
)
def test_anything_else_is_run(tmp_path, changes):
    row, engine = run_one(completed(tmp_path / "0", PLAIN, **changes), tmp_path)
    assert (row.status, engine.started) == ("completed", [0])


@pytest.mark.parametrize("text", ["", '{"status": "comp', "[1]", "{}"])
def test_a_job_whose_result_cannot_be_read_is_run(tmp_path, text):
    job = completed(tmp_path / "0", PLAIN)
    (tmp_path / "0" / "result.json").write_text(text)
    row, engine = run_one(job, tmp_path)
    assert (row.status, engine.started) == ("completed", [0])


def test_the_record_of_a_lost_job_says_so(tmp_path):
    job = completed(tmp_path / "0", PLAIN, status="running")
    engine = Rehearsal({0: ["lost", "lost"]})
    Schedule([job], engine, Policy(), tmp_path / "sweep.csv", Progress()).run()
    record = RunRecord.read(tmp_path / "0")
    assert record["status"] == "failed"
    assert record["error"] == "WorkerLost: lost!"
    assert RunRecord.was_cut_off(record)


def test_the_record_of_a_job_that_timed_out_says_so(tmp_path):
    job = completed(tmp_path / "0", PLAIN, status="running")
    engine = Rehearsal({0: ["timed out"]})
    Schedule([job], engine, Policy(), tmp_path / "sweep.csv", Progress()).run()
    assert RunRecord.read(tmp_path / "0")["error"] == "TimedOut: timed out!"

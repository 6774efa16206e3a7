"""What a schedule asks its source for and tells its observer. Nothing is trained here."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scyan_exp.fleet.observer import Observer
from scyan_exp.fleet.schedule import Policy, Schedule
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome
from tests.fleet.playing import play
from tests.fleet.rehearsal import Rehearsal
from tests.fleet.units import job


class Given:
    """A source that gives its jobs whenever it is asked."""

    def __init__(self, states: Sequence[JobState]) -> None:
        self.n_jobs = len(states)
        self.left = list(states)

    def next(self) -> JobState | None:
        return self.left.pop(0) if self.left else None

    def ended(self, state: JobState) -> None:
        """Nothing follows."""


class Told(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def began(self, state: JobState) -> None:
        self.lines.append(("began", state.job.number, state.outcome))

    def ended(self, state: JobState) -> None:
        self.lines.append(("ended", state.job.number, state.outcome))

    def note(self, text: str) -> None:
        self.lines.append(("note", text))

    def tick(self, n_running: int) -> None:
        self.lines.append(("running", n_running))


def watched(
    states: Sequence[JobState], engine: Rehearsal, stop: Callable[[int], bool] = lambda n: False
) -> list[tuple[Any, ...]]:
    """What the observer is told while these jobs run."""
    told = Told()
    schedule = Schedule(Given(states), engine, Policy(), told)
    engine.at_start = lambda number: schedule.stop() if stop(number) else None
    schedule.run()
    return told.lines


def test_a_source_that_always_has_jobs_is_asked_for_as_many_as_there_are_slots():
    engine = Rehearsal(n_slots=2)
    watched([JobState(job(i)) for i in range(5)], engine)
    assert engine.most_at_once == 2
    assert engine.started == list(range(5))


def test_what_the_observer_is_told():
    lines = watched([JobState(job(i)) for i in range(2)], Rehearsal(n_slots=1))
    assert lines == [
        ("began", 0, Outcome.RUNNING),
        ("ended", 0, Outcome.COMPLETED),
        ("running", 0),
        ("began", 1, Outcome.RUNNING),
        ("ended", 1, Outcome.COMPLETED),
        ("running", 0),
    ]


def test_it_is_told_how_many_still_run():
    lines = watched([JobState(job(i)) for i in range(3)], Rehearsal(n_slots=3))
    assert [one for one in lines if one[0] == "running"] == [("running", n) for n in (2, 1, 0)]


def test_a_kept_job_is_noted_with_its_metrics_and_not_started():
    kept = JobState(job(0), Outcome.COMPLETED, is_kept=True, metrics={"loss": 0.5})
    engine = Rehearsal(n_slots=1)
    lines = watched([kept, JobState(job(1))], engine)
    assert lines[0] == ("ended", 0, Outcome.COMPLETED)
    assert engine.started == [1]
    assert kept.metrics == {"loss": 0.5}


def test_one_stop_says_what_happens_and_how_to_stop_at_once():
    lines = watched([JobState(job(0))], Rehearsal(n_slots=1), stop=lambda number: True)
    assert [one for one in lines if one[0] == "note"] == [
        (
            "note",
            "Stopping: no new jobs, running ones end their epoch and save (Ctrl-C again to stop "
            "at once)",
        )
    ]


@pytest.mark.parametrize(("n_signals", "error"), [(1, "interrupted!"), (2, "stopped at once")])
def test_the_message_of_a_job_that_was_stopped(tmp_path: Path, n_signals: int, error: str):
    def stop(number: int) -> None:
        for _ in range(n_signals):
            signal.raise_signal(signal.SIGINT)

    (state,) = play(tmp_path, Rehearsal(at_start=stop), 1)
    assert (state.outcome, state.error) == (Outcome.INTERRUPTED, error)


def test_the_message_of_a_job_that_somebody_else_interrupted(tmp_path: Path):
    (state,) = play(tmp_path, Rehearsal({0: ["interrupted"]}), 1, retries=0)
    assert (state.outcome, state.error) == (Outcome.LOST, "its process was interrupted")

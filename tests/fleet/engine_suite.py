"""The laws of engines: a class of tests that each engine must pass.

A new engine is tested by a subclass of :class:`EngineSuite` with a fixture ``make``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from scyan_exp.fleet.engines.base import Ended, Engine
from scyan_exp.fleet.jobs import Job
from scyan_exp.run.outcome import Outcome
from tests.fleet.sweeps import PATIENCE, until

#: Makes an engine of two slots whose jobs may take so many seconds.
Make = Callable[[float | None], Engine]


def all_ended(engine: Engine | AtWork, n_jobs: int, seconds: float = PATIENCE) -> list[Ended]:
    """Wait for the end of so many jobs; they come in any order."""
    ended: list[Ended] = []
    deadline = time.monotonic() + seconds
    while len(ended) < n_jobs:
        assert time.monotonic() < deadline, f"only {ended} within {seconds} s"
        ended += engine.wait(0.2)
    return sorted(ended, key=lambda one: one.job.number)


class AtWork:
    """An engine whose jobs have begun; some begin only while somebody waits for their ends."""

    def __init__(self, engine: Engine, jobs: list[Job]) -> None:
        self._engine, self._early = engine, []
        for job in jobs:
            engine.submit(job)
        until(lambda: self._have_begun(jobs))

    def wait(self, seconds: float) -> list[Ended]:
        early, self._early = self._early, []
        return early or self._engine.wait(seconds)

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def _have_begun(self, jobs: list[Job]) -> bool:
        begun = all((job.folder / "began").exists() for job in jobs)
        self._early += [] if begun else self._engine.wait(0.02)
        return begun


class EngineSuite:
    """Jobs that end in every way, on an engine of two slots."""

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    @pytest.fixture
    def started(self, make, jobs) -> Callable[..., tuple[AtWork, list[Job]]]:
        """An engine at work: jobs that have begun."""
        engines: list[Engine] = []

        def start(*things: str, timeout: float | None = None) -> tuple[AtWork, list[Job]]:
            engines.append(make(timeout))
            written = jobs(*things)
            return AtWork(engines[-1], written), written

        yield start
        for engine in engines:
            engine.close()

    def test_a_job_that_completes_returns_its_value(self, started):
        engine, (job,) = started("return")
        (ended,) = all_ended(engine, 1)
        assert (ended.job, ended.outcome, ended.value) == (job, Outcome.COMPLETED, 0.5)
        assert ended.error is None
        assert ended.seconds > 0
        assert ended.device

    def test_as_many_jobs_as_there_are_slots_run_at_once(self, started):
        engine, _ = started("meet", "meet")
        assert engine.n_slots == 2
        assert [one.value for one in all_ended(engine, 2)] == [0.5, 1.5]

    @pytest.mark.parametrize(
        ("does", "error"), [("raise", "ValueError: first line"), ("exit", "SystemExit: 3")]
    )
    def test_a_job_that_raises_has_failed(self, started, does, error):
        engine, _ = started(does)
        (ended,) = all_ended(engine, 1)
        assert (ended.outcome, ended.value) == (Outcome.FAILED, None)
        assert ended.error == error

    def test_a_job_whose_process_dies_is_lost_and_its_slot_takes_another(self, started):
        engine, jobs = started("die", "return")
        lost, completed = all_ended(engine, 2)
        assert (lost.outcome, completed.outcome) == (Outcome.LOST, Outcome.COMPLETED)
        assert lost.error
        for _ in range(2):
            engine.submit(jobs[1])
        assert [one.value for one in all_ended(engine, 2)] == [1.5, 1.5]

    def test_a_job_that_takes_too_long_is_ended_alone(self, started):
        engine, (late, _) = started("sleep", "return", timeout=4.0)
        ended, completed = all_ended(engine, 2)
        assert (ended.outcome, completed.outcome) == (Outcome.TIMED_OUT, Outcome.COMPLETED)
        assert ended.error.startswith("took longer than hydra.launcher.timeout_min=0.066")
        assert not (late.folder / "saved").exists()

    def test_an_interrupted_job_saves_and_is_not_told_twice(self, started):
        engine, (job,) = started("sleep")
        assert engine.wait(0.05) == []
        for _ in range(5):
            engine.interrupt()
        (ended,) = all_ended(engine, 1)
        assert (ended.outcome, ended.value) == (Outcome.INTERRUPTED, None)
        assert ended.error == "interrupted"
        assert (job.folder / "saved").exists()

    def test_jobs_that_are_killed_are_cut_off_at_once(self, started):
        engine, jobs = started("sleep", "sleep")
        engine.kill()
        ends = {one.outcome for one in all_ended(engine, 2, seconds=100)}
        assert ends <= {Outcome.LOST, Outcome.INTERRUPTED}
        assert not any((job.folder / "saved").exists() for job in jobs)

    def test_closing_ends_what_runs(self, started):
        engine, (job,) = started("sleep")
        engine.close()
        time.sleep(0.1)
        assert not (job.folder / "saved").exists()

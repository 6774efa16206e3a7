"""An engine that rehearses: nothing is run, and jobs end as they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scyan_exp.fleet.engines.base import Ended
from scyan_exp.fleet.jobs import Job
from scyan_exp.run.outcome import Outcome


class Rehearsal:
    """An engine whose jobs end in the order of their start.

    Args:
        ends: how the attempts of a job end, by its number, or by that and the seed of a repeat;
            those not mentioned complete.
        n_slots: jobs at a time.
        at_start: called with the number of each job that is started.
        together: how many jobs end at a time.
        value: what a job returns; by default its number.
    """

    def __init__(
        self,
        ends: dict[Any, Sequence[str]] | None = None,
        n_slots: int = 2,
        at_start: Callable[[int], None] = lambda number: None,
        together: int = 1,
        value: Callable[[Job], object] = lambda job: float(job.number),
    ) -> None:
        self.n_slots, self.at_start, self.together = n_slots, at_start, together
        self.ends = {key: list(told) for key, told in (ends or {}).items()}
        self.value = value
        self.started: list[int] = []
        self.jobs: list[Job] = []
        self.told: list[int] = []
        self.killed = False
        self.running: list[Job] = []
        self.most_at_once = 0

    def submit(self, job: Job) -> None:
        assert len(self.running) < self.n_slots
        self.running.append(job)
        self.started.append(job.number)
        self.jobs.append(job)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.at_start(job.number)

    def wait(self, seconds: float) -> list[Ended]:
        assert 0 < seconds <= 1  # so that the terminal shows each second
        ending = self.running[: self.together]
        self.running = self.running[self.together :]
        return [self._end(job) for job in ending]

    def interrupt(self) -> None:
        self.told += [job.number for job in self.running if job.number not in self.told]

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.running.clear()

    def _end(self, job: Job) -> Ended:
        told = self.ends.get(job.key if job.key in self.ends else job.number)
        outcome = Outcome(told.pop(0) if told else "completed")
        if self.killed:
            outcome = Outcome.LOST
        elif job.number in self.told and outcome == Outcome.COMPLETED:
            outcome = Outcome.INTERRUPTED
        value = self.value(job) if outcome == Outcome.COMPLETED else None
        error = None if outcome == Outcome.COMPLETED else f"{outcome}!"
        return Ended(job, outcome, value, error, 2.0, "here")

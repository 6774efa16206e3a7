"""Where the schedule gets its jobs from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.state import JobState, label_jobs


class JobSource(Protocol):
    """Gives a job whenever there is room for one: a sweep, repeats and a search are sources.

    Attributes:
        n_jobs: number of jobs.
    """

    n_jobs: int

    def next(self) -> JobState | None:
        """The next job; None if there is none now, though one may follow when another has ended.

        A job that is kept from an earlier start is noted and not run.
        """

    def ended(self, state: JobState) -> None:
        """A job has ended and will not be tried again."""


class SourceOfRepeats(JobSource, Protocol):
    """Gives jobs that may have repeats."""

    def is_decided(self, job: Job, values: Sequence[float]) -> bool:
        """Whether a job with repeats needs no more of them.

        Args:
            job: the job.
            values: the objectives of its finished repeats, in the order of their seeds.
        """


class SweepJobs:
    """The jobs of a sweep, in their order.

    Args:
        jobs: the jobs; those whose folders hold their results are not given again.
        write: writes the config of a job to its folder when it is about to start.

    Attributes:
        states: the states of all jobs.
        n_jobs: number of jobs.
    """

    def __init__(self, jobs: Sequence[Job], write: Callable[[Job], None] = Job.write) -> None:
        self._write = write
        self.states = [JobState(job) for job in jobs]
        self.n_jobs = len(self.states)
        label_jobs(self.states)
        self._left = deque(state for state in self.states if not state.take_earlier_result())

    def next(self) -> JobState | None:
        """The next job that is not completed."""
        if not self._left:
            return None
        state = self._left.popleft()
        if not state.is_kept:
            self._write(state.job)
        return state

    def ended(self, state: JobState) -> None:
        """Do nothing: no job of a sweep depends on another."""

    def is_decided(self, job: Job, values: Sequence[float]) -> bool:
        """A sweep wants all repeats of all jobs."""
        return False

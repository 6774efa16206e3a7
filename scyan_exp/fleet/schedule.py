"""What runs when: skipping, retrying and stopping, whatever the engine."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from scyan_exp.fleet.engines.base import Ended, Engine
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.progress import Progress
from scyan_exp.fleet.repeats import Family, has_members
from scyan_exp.fleet.table import labels, other_rows, write_csv
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord

#: Seconds between looks at the clock while jobs run.
TICK = 1.0

RowStatus = Literal[
    "completed",
    "kept",
    "pruned",
    "failed",
    "lost",
    "timed out",
    "interrupted",
    "not run",
    "running",
]


@dataclass
class Row:
    """What became of a job; ``kept``: it had been completed before."""

    job: Job
    status: RowStatus = "not run"
    value: Any = None
    error: str | None = None
    seconds: float = 0.0
    device: str = ""
    attempts: int = 0


class JobSource(Protocol):
    """Gives further jobs when there is room for them: a search."""

    n_jobs: int

    def next(self) -> Job | None:
        """The next job; None when there is none now. One may follow when another has ended."""

    def ended(self, row: Row) -> None:
        """A job has come to its end; it will not be tried again."""

    def label(self, job: Job) -> str:
        """What tells a job from the others."""


@dataclass(frozen=True)
class Policy:
    """How failures are met.

    Attributes:
        retries: further attempts of a job whose process was lost.
        error_retries: further attempts of a job that raised an error or timed out.
        stop_on_failure: start no new jobs after one has failed for good.
    """

    retries: int = 1
    error_retries: int = 0
    stop_on_failure: bool = False


class Schedule:
    """Runs jobs on an engine until all have ended.

    Args:
        jobs: what to run.
        engine: where to run it.
        policy: how failures are met.
        csv: the table that is kept up to date.
        progress: what the terminal shows.
        source: gives further jobs, when these have been started.
        n_parallel: jobs of the source at a time; None for as many as the engine has slots.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        engine: Engine,
        policy: Policy,
        csv: Path,
        progress: Progress,
        source: JobSource | None = None,
        n_parallel: int | None = None,
    ) -> None:
        self.rows = {job.number: Row(job) for job in jobs}
        self.engine, self.policy, self.csv, self.progress = engine, policy, csv, progress
        self._labels = labels(list(self.rows.values()))
        self._other_rows = other_rows(csv, set(self.rows))
        self._source = source
        self._n_parallel = n_parallel or engine.n_slots
        self.interrupted = False
        self._killed = self._is_stopped = False
        self._pending: deque[Job] = deque()
        self._retries: deque[Job] = deque()
        self._families: dict[int, Family] = {}
        self._training_rows: dict[tuple[int, int], Row] = {}
        self._n_running = 0

    def run(self) -> list[Row]:
        """The rows of all jobs, in order.

        Ctrl-C (or SIGTERM) starts no new jobs and lets the running ones save; again: at once.
        """
        for row in self.rows.values():
            if not self._keep(row):
                self._pending.append(row.job)
        self._write_csv()
        n_jobs = self._source.n_jobs if self._source else len(self.rows)
        with self._signals(), self.progress.shown(n_jobs, self._n_kept()):
            while True:
                self._fill()
                if not self._n_running:
                    break
                for ended in self.engine.wait(TICK):
                    self._take(ended)
                self.progress.tick(self._n_running)
        for row in self.rows.values():
            if row.status == "running":  # some of its trainings have not begun
                row.status = "interrupted" if self.interrupted else "not run"
        self._write_csv()
        return [self.rows[number] for number in sorted(self.rows)]

    def _keep(self, row: Row) -> bool:
        """Whether the folder of a job holds the result of its very config."""
        if not row.job.plain:
            return False
        record = RunRecord.read_ended(row.job.folder, row.job.plain)
        if record is None:
            return False
        row.status = "pruned" if record.status == Outcome.PRUNED else "kept"
        row.value = record.objective
        return True

    def _n_kept(self) -> int:
        return sum(row.status == "kept" for row in self.rows.values())

    def _fill(self) -> None:
        """Start jobs while there are free slots."""
        while self._n_running < self.engine.n_slots and not self.interrupted:
            job = self._next()
            if job is None:
                break
            row = self._row_of(job)
            row.status, row.attempts = "running", row.attempts + 1
            self.engine.submit(job)
            self._n_running += 1
        if self.interrupted:  # perhaps while a job was being started
            self._pending.clear()
            self.engine.interrupt()

    def _next(self) -> Job | None:
        """A job to start: one to try again, a training of one that has begun, or a new one."""
        if self._retries:
            return self._retries.popleft()
        for family in self._families.values():
            job = family.next()
            if job is not None:
                return job
        job = self._new()
        if job is None or not has_members(job):
            return job
        self.rows[job.number].status = "running"
        family = self._families[job.number] = Family(job)
        return family.next()

    def _new(self) -> Job | None:
        """A job that waits, or one of the source."""
        if self._pending:
            return self._pending.popleft()
        if self._is_stopped or self._source is None:
            return None
        while self._n_begun() < self._n_parallel:
            job = self._source.next()
            if job is None:
                return None
            row = self.rows[job.number] = Row(job)
            self._labels[job.number] = self._source.label(job)
            if not self._keep(row):
                return job
            self._source.ended(row)
            self._write_csv()
        return None

    def _n_begun(self) -> int:
        """Jobs that have begun and not ended."""
        return sum(row.status == "running" for row in self.rows.values())

    def _row_of(self, job: Job) -> Row:
        if job.training is None:
            return self.rows[job.number]
        return self._training_rows.setdefault((job.number, job.training), Row(job))

    def _take(self, ended: Ended) -> None:
        self._n_running -= 1
        row = self._row_of(ended.job)
        row.status, row.value, row.error = ended.status, ended.value, ended.error
        if ended.status == "interrupted" and not self.interrupted:
            # Not by us: somebody sent a signal to this worker alone.
            row.status, row.error = "lost", "its process was interrupted"
        row.seconds, row.device = row.seconds + ended.seconds, ended.device
        if self._killed and ended.status == "lost":
            row.status, row.error = "interrupted", "stopped at once"
        elif row.status in ("lost", "timed out"):
            record = RunRecord.read(row.job.folder) if row.job.plain else None
            if record is not None and record.status == Outcome.RUNNING:
                record.fail(Outcome(row.status), row.error)
        if row.status == "completed" and row.job.plain and row.value is None:
            row.status = "pruned"
        if self._may_retry(row):
            self.progress.note(f"job {row.job.number}: {row.error}; trying again")
            row.status = "not run"
            self._retries.append(row.job)
        elif ended.job.training is None:
            self._end(row)
        else:
            self._end_training(row)
        self._write_csv()

    def _end_training(self, row: Row) -> None:
        """One of several trainings of a job has come to its end; a failed one ends the job."""
        family, of_job = self._families[row.job.number], self.rows[row.job.number]
        was_over = family.is_over
        family.ended(row.status, row.seconds)
        if family.is_over and not was_over:
            of_job.status, of_job.error = row.status, f"seed {row.job.training}: {row.error}"
            of_job.device = row.device
            family.fail(row.status, of_job.error)
            self._end(of_job)
        else:
            self.progress.training_ended(row)

    def _end(self, row: Row) -> None:
        """A job has come to its end."""
        family = self._families.get(row.job.number)
        row.seconds += 0.0 if family is None else family.seconds
        if self._source is not None:
            self._source.ended(row)
        self.progress.ended(row, self._labels[row.job.number])
        if row.status in FAILURES and self.policy.stop_on_failure:
            self._pending.clear()
            self._retries.clear()
            for one in self._families.values():
                one.stop()
            self._is_stopped = True

    def _write_csv(self) -> None:
        write_csv(list(self.rows.values()), self.csv, self._other_rows)

    def _may_retry(self, row: Row) -> bool:
        if self.interrupted:
            return False
        if row.status == "lost":
            return row.attempts <= self.policy.retries
        return row.status in FAILURES and row.attempts <= self.policy.error_retries

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                before[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: signals go to another
                break
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            self._killed = True
            self.engine.kill()
            return
        self.interrupted = True
        self.progress.note(
            "Stopping: no new jobs, running ones end their epoch and save (Ctrl-C again to stop "
            "at once)"
        )
        self.engine.interrupt()


#: What counts as a failure of a job.
FAILURES = ("failed", "lost", "timed out")

"""What runs when: starting, retrying and stopping jobs of any source on any engine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from scyan_exp.fleet.engines.base import Ended, Engine
from scyan_exp.fleet.observer import Observer
from scyan_exp.fleet.source import JobSource
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome

#: Seconds between ticks while jobs run.
TICK = 1.0


@dataclass(frozen=True)
class Policy:
    """What follows a failure.

    Attributes:
        retries: further attempts at a job whose process was lost.
        error_retries: further attempts at a job that raised an error or timed out.
        stop_on_failure: start no new jobs once one has failed after its last attempt.
    """

    retries: int = 1
    error_retries: int = 0
    stop_on_failure: bool = False

    def allows_retry(self, state: JobState) -> bool:
        """Whether a job is tried again after its latest attempt."""
        if state.outcome == Outcome.LOST:
            return state.attempts <= self.retries
        return state.outcome.is_failure and state.attempts <= self.error_retries


class Schedule:
    """Runs the jobs of a source on an engine until all have ended.

    Args:
        source: gives the jobs.
        engine: where to run them.
        policy: what follows a failure.
        observer: is told how each job fares.

    Attributes:
        interrupted: whether :meth:`stop` was called.
    """

    def __init__(
        self, source: JobSource, engine: Engine, policy: Policy, observer: Observer
    ) -> None:
        self._source, self._engine = source, engine
        self._policy, self._observer = policy, observer
        self._running: dict[tuple[int, int | None], JobState] = {}
        self._retries: deque[JobState] = deque()
        self._has_failed = self._killed = self.interrupted = False

    def run(self) -> None:
        """Run all jobs; returns when none runs and none is left to start."""
        self._fill()
        while self._running:
            for ended in self._engine.wait(TICK):
                self._take(ended)
            self._observer.tick(len(self._running))
            self._fill()

    def stop(self) -> None:
        """Start no new jobs and let the running ones save; a second call ends them at once."""
        if self.interrupted:
            self._killed = True
            self._engine.kill()
            return
        self.interrupted = True
        self._observer.note(
            "Stopping: no new jobs, running ones end their epoch and save (Ctrl-C again to stop "
            "at once)"
        )
        self._engine.interrupt()

    @property
    def _is_closed(self) -> bool:
        """Whether no more jobs are started."""
        return self.interrupted or self._has_failed

    def _fill(self) -> None:
        """Start jobs while there are free slots."""
        while len(self._running) < self._engine.n_slots and not self._is_closed:
            state = self._next()
            if state is None:
                break
            self._start(state)
        if self.interrupted:  # a signal may have come while a job was being started
            self._engine.interrupt()

    def _next(self) -> JobState | None:
        """A job to start: one that is tried again, or a new one."""
        if self._retries:
            return self._retries.popleft()
        while (state := self._source.next()) is not None and state.is_kept:
            self._end(state)
        return state

    def _start(self, state: JobState) -> None:
        state.outcome = Outcome.RUNNING
        state.attempts += 1
        self._running[state.job.key] = state
        self._engine.submit(state.job)
        self._observer.began(state)

    def _take(self, ended: Ended) -> None:
        """An attempt at a job has ended."""
        state = self._running.pop(ended.job.key)
        state.outcome, state.error = self._judged(ended)
        state.value, state.device = ended.value, ended.device
        state.seconds += ended.seconds
        if state.outcome in (Outcome.LOST, Outcome.TIMED_OUT):
            state.write_loss()
        if not self._is_closed and self._policy.allows_retry(state):
            self._observer.retried(state)
            state.outcome = Outcome.NOT_RUN
            self._retries.append(state)
        else:
            self._end(state)

    def _judged(self, ended: Ended) -> tuple[Outcome, str | None]:
        """How an attempt ended, knowing what the engine does not: whether it was asked to end."""
        outcome = ended.outcome
        if outcome == Outcome.INTERRUPTED and not self.interrupted:
            # We did not ask: somebody sent a signal to this process alone.
            return Outcome.LOST, "its process was interrupted"
        if outcome == Outcome.LOST and self._killed:
            return Outcome.INTERRUPTED, "stopped at once"
        if outcome == Outcome.COMPLETED and ended.job.checked and ended.value is None:
            return Outcome.PRUNED, None
        return outcome, ended.error

    def _end(self, state: JobState) -> None:
        """A job has ended."""
        if not state.is_kept and not state.outcome.is_failure:
            state.take_metrics()
        self._source.ended(state)
        self._observer.ended(state)
        if state.outcome.is_failure and self._policy.stop_on_failure:
            self._has_failed = True

"""The engine of one machine: worker processes that live as long as the sweep."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from scyan_exp.fleet.engines.base import Ended, Needs, Task, engine, late
from scyan_exp.fleet.engines.devices import Slot, make_slots
from scyan_exp.fleet.engines.worker import work
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.signals import SIGNALS
from scyan_exp.run.outcome import Outcome

#: Seconds that idle workers may take to end.
PATIENCE = 10.0


@engine("local")
def make_local_engine(needs: Needs) -> LocalEngine:
    """Make the engine of this machine, with no more slots than jobs.

    Raises:
        InputError: there is no such GPU.
    """
    settings = needs.settings
    slots = make_slots(
        settings.devices, settings.jobs_per_device, settings.threads_per_job, needs.wants_gpu
    )
    return LocalEngine(slots[: max(1, needs.n_jobs)], needs.task, settings.timeout)


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    started: float = 0.0
    interrupted: bool = False


class LocalEngine:
    """Runs jobs in processes that are forked off this one, and so share its imports.

    A worker whose job did not complete is replaced, so that nothing of that job stays behind.

    Args:
        slots: where jobs can run.
        task: the program that each job runs.
        timeout: seconds that a job may take; None for any.
        deaf_to: signals that workers ignore, because they are meant for this process alone.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        task: Task,
        timeout: float | None = None,
        deaf_to: Collection[signal.Signals] = (),
    ) -> None:
        self.slots, self.task, self.timeout = list(slots), task, timeout
        self._deaf_to = frozenset(deaf_to)
        self.n_slots = len(self.slots)
        self._workers: dict[int, _Worker] = {}
        self._leaving: list[_Worker] = []
        self._context = multiprocessing.get_context("fork")

    def submit(self, job: Job) -> None:
        """Start a job in a free slot, if possible with the worker of an earlier job."""
        free = [i for i in range(self.n_slots) if not self._is_busy(i)]
        slot = min(free, key=lambda i: (i not in self._workers, i))
        if slot not in self._workers:
            self._import_libraries()
            self._workers[slot] = self._start(self.slots[slot])
        worker = self._workers[slot]
        worker.job, worker.started = job, time.monotonic()
        with suppress(OSError):  # it has died meanwhile; wait() will notice
            worker.connection.send_bytes(json.dumps({"folder": str(job.folder)}).encode())

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended; waits for the first of them, for at most ``seconds``."""
        busy = {slot: worker for slot, worker in self._workers.items() if worker.job is not None}
        if self.timeout is not None and busy:
            next_deadline = min(worker.started for worker in busy.values()) + self.timeout
            seconds = max(0.0, min(seconds, next_deadline - time.monotonic()))
        watched = [worker.connection for worker in busy.values()]
        watched += [worker.process.sentinel for worker in busy.values()]  # type: ignore[misc]
        ready = set(wait(watched, seconds))
        ended = []
        for slot, worker in busy.items():
            if worker.connection in ready or worker.process.sentinel in ready:
                ended.append(self._collect(slot, worker))
            elif self._is_late(worker):
                ended.append(self._remove(slot, Outcome.TIMED_OUT, late(self.timeout)))
        return ended

    def interrupt(self) -> None:
        """Pass Ctrl-C on to running jobs, but only once: a second one would stop them at once."""
        for worker in self._workers.values():
            if worker.job is not None and not worker.interrupted:
                worker.interrupted = True
                _signal(worker, signal.SIGINT)

    def kill(self) -> None:
        """End every worker at once; their jobs count as interrupted."""
        for worker in self._workers.values():
            _signal(worker, signal.SIGKILL)

    def close(self) -> None:
        """End the workers: idle ones may end by themselves, the others are killed."""
        for worker in self._workers.values():
            worker.connection.close()
            if worker.job is not None:
                _signal(worker, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        for worker in (*self._leaving, *self._workers.values()):
            worker.process.join(max(0.0, deadline - time.monotonic()))
            _signal(worker, signal.SIGKILL)
            worker.process.join()
        self._leaving.clear()
        self._workers.clear()

    def _import_libraries(self) -> None:
        """Import what jobs need once for all workers, which are forked off this process."""
        import_libraries = getattr(self.task, "import_libraries", None)
        if import_libraries is not None:
            import_libraries()

    def _is_busy(self, slot: int) -> bool:
        return slot in self._workers and self._workers[slot].job is not None

    def _is_late(self, worker: _Worker) -> bool:
        return self.timeout is not None and time.monotonic() - worker.started >= self.timeout

    def _start(self, slot: Slot) -> _Worker:
        ours, theirs = self._context.Pipe()
        others = [ours, *(worker.connection for worker in self._workers.values())]
        process = self._context.Process(
            target=work,
            args=(theirs, others, slot, self.task, os.getpid(), self._deaf_to),
            daemon=False,
        )
        # A signal that arrives before the child has set up its own handlers would run ours in it.
        blocked = {*SIGNALS, *self._deaf_to}
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        theirs.close()
        return _Worker(process, ours)

    def _collect(self, slot: int, worker: _Worker) -> Ended:
        try:
            result = json.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            worker.process.join()
            return self._remove(slot, Outcome.LOST, _how_it_died(worker.process.exitcode))
        outcome = Outcome(result["outcome"])
        if outcome != Outcome.COMPLETED:
            return self._remove(slot, outcome, result["error"])
        ended = self._end(slot, worker, outcome, value=result["value"])
        worker.job = None
        return ended

    def _remove(self, slot: int, outcome: Outcome, error: str) -> Ended:
        """The end of a job that takes its worker with it."""
        worker = self._workers.pop(slot)
        worker.connection.close()  # this ends the worker, unless it is stuck
        if outcome in (Outcome.LOST, Outcome.TIMED_OUT):
            _signal(worker, signal.SIGKILL)
        self._leaving.append(worker)
        return self._end(slot, worker, outcome, error=error)

    def _end(
        self,
        slot: int,
        worker: _Worker,
        outcome: Outcome,
        value: object = None,
        error: str | None = None,
    ) -> Ended:
        assert worker.job is not None
        seconds = time.monotonic() - worker.started
        return Ended(worker.job, outcome, value, error, seconds, self.slots[slot].name)


def _signal(worker: _Worker, number: signal.Signals) -> None:
    """Send a signal to the worker, and SIGKILL also to the processes that it started."""
    pid = worker.process.pid
    assert pid is not None
    if number == signal.SIGKILL:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)  # a worker leads its own process group
    if worker.process.exitcode is None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _how_it_died(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"
    return f"its process ended with exit code {exitcode}"

"""The launcher's side of a sweep on a Slurm cluster."""

from __future__ import annotations

import importlib.util
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.base import Ended, Needs, engine
from scyan_exp.fleet.engines.lasting import LASTING, Lasting
from scyan_exp.fleet.engines.slurm.allocation import Errand
from scyan_exp.fleet.engines.slurm.commands import check_accepted, require_slurm
from scyan_exp.fleet.engines.slurm.crew import Crew, require_none_left
from scyan_exp.fleet.engines.slurm.detached import check_detached, detach, require_not_detached
from scyan_exp.fleet.engines.slurm.foreman import Foreman, Place
from scyan_exp.fleet.engines.slurm.submission import (
    n_allocations,
    options_of,
    parameters_of,
    place_of,
)
from scyan_exp.fleet.jobs import Job
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.outcome import Outcome

#: Seconds between looks at what the foremen have written.
POLL = 0.25

LASTING["slurm"] = Lasting(
    require_not_detached, require_none_left, lambda fleet: fleet.slurm.detach, detach
)


@engine("slurm")
class SlurmEngine:
    """Runs jobs within Slurm jobs; all nodes must see the folder of the sweep.

    A job waits here until a Slurm job has room for it: the first that Slurm lets begin takes it.

    Args:
        needs: what an engine gets; ``settings.slurm`` says what Slurm is asked for.

    Raises:
        InputError: there is no Slurm, or it would not accept such a job.
    """

    def __init__(self, needs: Needs) -> None:
        if importlib.util.find_spec("submitit") is None:
            raise InputError(
                "hydra.launcher.engine=slurm: submitit is not installed; "
                "pip install 'scyan_exp[slurm]'"
            )
        require_slurm()
        settings, place = needs.settings.slurm, place_of(needs)
        parameters = parameters_of(settings, "scyan_exp", place)
        check_accepted(options_of(parameters))
        if settings.detach:
            check_detached(needs.settings, needs.task)
        self._place, self._max_moves = place, settings.max_requeues
        self._crew = Crew(
            SweepFolder(needs.sweep_dir.absolute()).slurm,
            _maker(needs, place),
            parameters,
            settings.jobs_per_allocation,
            settings.ask_every_s,
        )
        self._n_allocations = n_allocations(needs, place)
        self.n_slots = min(self._n_allocations * place.n_slots, max(1, needs.n_jobs))
        self._waiting: deque[tuple[Job, int]] = deque()
        self._ended: list[Ended] = []
        self._is_open = self._is_interrupted = self._is_killed = False

    def submit(self, job: Job) -> None:
        """Let a job wait for a place, unless an allocation of an earlier launcher runs it."""
        if not self._is_open:
            self._crew.find()
            self._is_open = True
        if not any(one.claim(job) for one in self._crew.allocations):
            self._waiting.append((job, 0))

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended; waits for the first of them, for at most ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            self._turn()
            if self._ended or time.monotonic() >= deadline:
                ended, self._ended = self._ended, []
                return ended
            time.sleep(POLL)

    def interrupt(self) -> None:
        """Let running jobs save, and start none that wait. :meth:`wait` does this."""
        self._is_interrupted = True

    def kill(self) -> None:
        """End every job at once. :meth:`wait` does this."""
        self._is_killed = True

    def close(self) -> None:
        """End all that runs or waits; foremen without a job leave by themselves."""
        self._crew.close()

    def _turn(self) -> None:
        """Read what has happened to the jobs, and hand out those that wait."""
        self._crew.ask()
        self._ended += self._crew.read()
        for errand in self._crew.dismiss():
            self._take_back(errand)
        if self._is_killed:
            self._refuse(self._crew.kill(), Outcome.LOST, "stopped at once")
        elif self._is_interrupted:
            self._refuse(self._crew.interrupt(), Outcome.INTERRUPTED, "interrupted")
        else:
            self._give()

    def _give(self) -> None:
        for one in self._crew.allocations:
            while self._waiting and one.n_free > 0:
                one.give(*self._waiting.popleft())
        to_come = sum(one.n_to_come for one in self._crew.allocations if not one.is_up)
        lacking = -(-(len(self._waiting) - to_come) // self._place.n_slots)
        n = min(lacking, self._n_allocations - len(self._crew.allocations))
        if n > 0:
            self._crew.start(n)

    def _take_back(self, errand: Errand) -> None:
        """Take back a job of an allocation that is gone: it is lost, or waits for another place."""
        assert errand.job is not None
        n_moves = errand.n_moves + errand.has_begun
        if errand.was_lost:
            self._ended.append(Ended(errand.job, Outcome.LOST, error=errand.why, device="slurm"))
        elif n_moves > self._max_moves:
            self._ended.append(Ended(errand.job, Outcome.TIMED_OUT, error=errand.why))
        else:
            self._waiting.appendleft((errand.job, n_moves))

    def _refuse(self, errands: list[Errand], outcome: Outcome, why: str) -> None:
        """End the jobs that wait, and those whose allocations were ended."""
        jobs = [errand.job for errand in errands if errand.job is not None]
        jobs += [job for job, _ in self._waiting]
        self._waiting.clear()
        self._ended += [Ended(job, outcome, error=why) for job in jobs]


def _maker(needs: Needs, place: Place) -> Callable[[Path], Foreman]:
    settings, cwd = needs.settings, Path.cwd()

    def make(folder: Path) -> Foreman:
        return Foreman(
            folder,
            cwd,
            needs.task,
            place,
            settings.timeout,
            settings.slurm.signal_delay_s,
            settings.slurm.max_requeues,
        )

    return make

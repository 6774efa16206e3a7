"""All Slurm jobs of a sweep."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scyan_exp.fleet.engines.slurm.commands as commands
from scyan_exp.errors import InputError, listed
from scyan_exp.fleet.engines.base import Ended
from scyan_exp.fleet.engines.slurm.allocation import Allocation, Errand
from scyan_exp.fleet.engines.slurm.commands import SlurmError
from scyan_exp.fleet.engines.slurm.foreman import Foreman
from scyan_exp.fleet.engines.slurm.mailbox import Mailbox
from scyan_exp.fleet.engines.slurm.names import foremen_name
from scyan_exp.fleet.engines.slurm.submission import log_of, submit
from scyan_exp.run.folder import SweepFolder

#: How many Slurm jobs may end in a row without having begun to work.
FALSE_STARTS = 3
#: Seconds until Slurm is asked again after a refusal, while other Slurm jobs of the sweep run.
LATER = 60.0
#: Slurm's states of jobs that wait for a place.
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"}


@dataclass
class Crew:
    """The allocations of a sweep, whichever launcher started them.

    Attributes:
        folder: the folder within the sweep's for all that concerns Slurm.
        make: makes a foreman for the folder of its mailbox.
        parameters: the parameters of the Slurm jobs, except for their name.
        at_most: how many jobs an allocation gets in all; None for any number.
        ask_every: seconds between questions to Slurm.
        allocations: those that have not left.
    """

    folder: Path
    make: Callable[[Path], Foreman]
    parameters: dict[str, Any]
    at_most: int | None
    ask_every: float
    allocations: list[Allocation] = field(default_factory=list)
    _states: dict[str, str] = field(default_factory=dict)
    _asked_at: float = 0.0
    _not_before: float = 0.0
    _false_starts: int = 0
    _is_interrupted: bool = False

    def find(self) -> None:
        """Take over the allocations that an earlier launcher left, and end the useless ones.

        Raises:
            InputError: Slurm does not answer.
        """
        if not self.folder.is_dir():
            return
        alive = commands.living_or_refuse(foremen_name(self.folder))
        found = [Allocation.found(path.parent) for path in self.folder.glob("*/in.jsonl")]
        for one in found:
            one.at_most = self.at_most
        self.allocations = [
            one
            for one in found
            if one.job_id in alive and not one.has_left and (one.errands or one.n_free)
        ]
        commands.cancel(alive.keys() - {one.job_id for one in self.allocations}, at_once=True)
        self._states = alive

    def start(self, n: int) -> None:
        """Ask Slurm for more allocations; it may accept fewer.

        Raises:
            InputError: it accepts none, and there are no others.
        """
        refused = None
        while n and time.monotonic() >= self._not_before:
            try:
                self._submit(n)
            except SlurmError as error:
                refused, n = error, n // 2
            else:
                return
        if refused is not None and not self.allocations:
            raise InputError(commands.refused(str(refused)))
        if refused is not None:
            self._not_before = time.monotonic() + LATER

    def read(self) -> list[Ended]:
        """Read what the foremen have written; returns the ends of jobs."""
        for one in self.allocations:
            one.read()
            if one.is_up:
                self._false_starts = 0
        return [ended for one in self.allocations for ended in one.ends()]

    def dismiss(self) -> list[Errand]:
        """Forget the allocations that are gone; returns the jobs that they left.

        Raises:
            InputError: one Slurm job after the other ends before it begins to work.
        """
        gone = [one for one in self.allocations if one.has_left or one.misses > 1]
        if not gone:
            return []
        self.allocations = [one for one in self.allocations if one not in gone]
        self._count_false_starts(gone)
        return [errand for one in gone for errand in _left_by(one)]

    def ask(self) -> None:
        """Ask Slurm for the state of its jobs, unless that was done just now."""
        if time.monotonic() - self._asked_at < self.ask_every:
            return
        self._asked_at = time.monotonic()
        try:
            self._states = commands.living(foremen_name(self.folder))
        except SlurmError:  # it does not answer, so nothing is known
            return
        for one in self.allocations:
            one.misses = 0 if one.job_id in self._states else one.misses + 1

    def interrupt(self) -> list[Errand]:
        """Let running jobs save; returns the jobs of allocations that still wait in the queue."""
        if not self._is_interrupted:
            self._is_interrupted, self._asked_at = True, 0.0  # to know which of them wait now
            self.ask()
        waiting = [one for one in self.allocations if self._states.get(one.job_id) in WAITING]
        self._end(waiting)
        for one in self.allocations:
            one.interrupt()
        return [errand for one in waiting for errand in one.drop()]

    def kill(self) -> list[Errand]:
        """End everything at once; returns the jobs."""
        killed = list(self.allocations)
        self._end(killed)
        return [errand for one in killed for errand in one.drop()]

    def close(self) -> None:
        """Let idle foremen leave, and end all other allocations, those in the queue too."""
        for one in self.allocations:
            one.read()
        self._end([one for one in self.allocations if one.errands or not one.is_up])
        for one in self.allocations:
            one.leave()
        self._end_strangers()
        self.allocations = []

    def _end_strangers(self) -> None:
        """End Slurm jobs that came late: their launcher was killed while it submitted them."""
        if not self.folder.is_dir():
            return
        with suppress(SlurmError):  # they leave by themselves after a minute without a job
            alive = commands.living(foremen_name(self.folder))
            commands.cancel(alive.keys() - {one.job_id for one in self.allocations}, at_once=True)

    def _end(self, some: Sequence[Allocation]) -> None:
        for one in some:
            one.leave()  # so that no later launcher takes it for a working one
        commands.cancel([one.job_id for one in some], at_once=True)
        self.allocations = [one for one in self.allocations if one not in some]

    def _submit(self, n: int) -> None:
        boxes = [Mailbox(self.folder / uuid.uuid4().hex[:12], "launcher") for _ in range(n)]
        for box in boxes:
            box.create()
        foremen = [self.make(box.folder) for box in boxes]
        parameters = {**self.parameters, "job_name": foremen_name(self.folder)}
        try:
            job_ids = submit(foremen, self.folder, parameters)
        except SlurmError:
            for box in boxes:
                shutil.rmtree(box.folder)
            raise
        for box, job_id in zip(boxes, job_ids, strict=True):
            allocation = Allocation(box, foremen[0].place.n_slots, self.at_most)
            allocation.submitted(job_id)
            self.allocations.append(allocation)

    def _count_false_starts(self, gone: Sequence[Allocation]) -> None:
        failed = [one for one in gone if not one.was_up]
        self._false_starts += len(failed)
        if failed and self._false_starts >= FALSE_STARTS and not self.allocations:
            job_id = failed[-1].job_id
            log = log_of(self.folder, job_id)
            raise InputError(
                f"Slurm jobs end before they start to work ({listed(one.job_id for one in failed)}"
                f": {commands.state_of(job_id)}); the last line of {log}: {_last_line(log)}. Can "
                "all nodes see the folder of the sweep and the Python of this program "
                "(hydra.launcher.slurm.setup)?"
            )


def require_none_left(sweep_dir: Path) -> None:
    """Make sure that no Slurm job still works for a sweep that is to go on with another engine.

    Raises:
        InputError: one does, or Slurm does not answer.
    """
    folder = SweepFolder(sweep_dir).slurm
    alive = commands.living_or_refuse(foremen_name(folder)) if folder.is_dir() else {}
    if alive:
        raise InputError(
            f"Slurm jobs of this sweep are still there: {listed(alive)}. Go on with "
            f"hydra.launcher.engine=slurm, or end them: scancel {' '.join(alive)}",
            where=str(sweep_dir),
        )


def _left_by(one: Allocation) -> list[Errand]:
    """The jobs of an allocation that is gone, with what happened to it."""
    why = one.why or commands.state_of(one.job_id)
    left = one.drop()
    for errand in left:
        errand.why = f"its Slurm job {one.job_id} ended: {why}"
        errand.was_lost = errand.has_begun and not one.goes_on
    return left


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "(there is no such file)"
    return lines[-1] if lines else "(it is empty)"

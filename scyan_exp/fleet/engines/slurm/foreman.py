"""What Slurm starts within its job, and how that ends."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import scyan_exp.fleet.engines.slurm.commands as commands
import scyan_exp.fleet.engines.slurm.mailbox as mailbox
from scyan_exp.fleet.engines.base import Task
from scyan_exp.fleet.engines.devices import make_slots
from scyan_exp.fleet.engines.local import LocalEngine
from scyan_exp.fleet.engines.slurm.cut_off import AT_LIMIT, AT_ONCE, CutOff
from scyan_exp.fleet.engines.slurm.mailbox import Mailbox
from scyan_exp.fleet.engines.slurm.shift import Shift

#: Variables that Lightning takes for a start by ``srun``: it would handle signals and requeue by
#: itself.
OF_SRUN = ("SLURM_NTASKS", "SLURM_NPROCS")


@dataclass(frozen=True)
class Place:
    """What one allocation offers.

    Attributes:
        n_slots: jobs that run at a time.
        n_threads: threads of each job.
        per_device: jobs that share a GPU.
        on_gpu: whether jobs train on GPUs.
    """

    n_slots: int
    n_threads: int
    per_device: int = 1
    on_gpu: bool = False


@dataclass(frozen=True)
class Foreman:
    """What a Slurm job calls: it runs jobs until there are no more, or until Slurm ends it.

    Attributes:
        folder: the folder of its mailbox.
        cwd: where the launcher was started; paths in configs are relative to it.
        task: the program that each job runs.
        place: what the allocation offers.
        timeout: seconds that a job may take; None for any.
        signal_delay: seconds from Slurm's signal at the time limit to the end.
        max_requeues: how often the Slurm job may come back.
    """

    folder: Path
    cwd: Path
    task: Task
    place: Place
    timeout: float | None = None
    signal_delay: float = 120
    max_requeues: int = 0

    def __call__(self) -> None:
        """Do the work between one start of the Slurm job and its end."""
        cut_off = CutOff(self.signal_delay)
        os.chdir(self.cwd)
        for name in OF_SRUN:
            os.environ.pop(name, None)
        box, node = Mailbox(self.folder, "foreman"), socket.gethostname()
        if any(letter["kind"] == mailbox.LEFT for letter in box.told()):
            return  # somebody else requeued it: other allocations have its jobs
        n_restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        with closing(self._engine()) as engine:
            box.tell(mailbox.UP, node=node, slots=self.place.n_slots)
            shift = Shift(box, engine, cut_off, node)
            if n_restarts > self.max_requeues:
                shift.refuse(f"Slurm ended its job {n_restarts} times while it ran")
            shift.work()
        _leave(box, goes_on=bool(shift.open))

    def _engine(self) -> LocalEngine:
        place = self.place
        if place.on_gpu:
            slots = make_slots("auto", place.per_device, place.n_threads, jobs_want_gpu=True)
        else:
            slots = make_slots("cpu", place.n_slots, place.n_threads, jobs_want_gpu=False)
        return LocalEngine(
            slots[: place.n_slots], self.task, self.timeout, deaf_to=(AT_LIMIT, AT_ONCE)
        )


def _leave(box: Mailbox, *, goes_on: bool) -> None:
    """Say that no more work is done here, or go back into the queue to continue later."""
    if not goes_on:
        box.tell(mailbox.LEFT)
        return
    if commands.state_of(_own_id()) != "RUNNING":  # we must not undo that
        box.tell(mailbox.LEFT, why="CANCELLED")
        return
    box.tell(mailbox.REQUEUED)
    try:
        commands.requeue(_own_id())
    except commands.SlurmError as error:
        box.tell(mailbox.LEFT, why=str(error), again=True)


def _own_id() -> str:
    """The id of this Slurm job, which an element of an array has too."""
    return os.environ["SLURM_JOB_ID"]

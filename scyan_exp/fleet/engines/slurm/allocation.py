"""A Slurm job with a foreman in it, as the launcher sees it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import scyan_exp.fleet.engines.slurm.mailbox as mailbox
from scyan_exp.fleet.engines.base import Ended
from scyan_exp.fleet.engines.slurm.mailbox import Letter, Mailbox
from scyan_exp.fleet.jobs import Job
from scyan_exp.run.outcome import Outcome


@dataclass
class Errand:
    """A job that was handed to a foreman.

    Attributes:
        folder: of the job.
        job: the job; None if an earlier launcher handed it over, and this one has not come to it
            yet.
        has_begun: whether the foreman has started it.
        end: how it ended.
        n_moves: in how many earlier allocations it was cut off.
        was_lost: whether it was running when its allocation went away.
        why: what happened to the allocation.
    """

    folder: Path
    job: Job | None = None
    has_begun: bool = False
    end: Letter | None = None
    n_moves: int = 0
    was_lost: bool = False
    why: str = ""


@dataclass
class Allocation:
    """A Slurm job with a foreman in it.

    Attributes:
        box: its mailbox.
        n_slots: how many jobs it runs at a time.
        at_most: how many jobs it gets in all; None for any number.
        job_id: its id in Slurm.
        errands: the jobs that it was given and whose end has not been reported yet.
        is_up: whether the foreman works.
        has_left: whether the foreman has left and will not come back.
        why: the reason that it gave when it left.
        goes_on: whether its jobs would have gone on if the cluster had let it come back.
        was_up: whether the foreman has ever worked.
        misses: how often Slurm has no longer known the job.
    """

    box: Mailbox
    n_slots: int = 1
    at_most: int | None = None
    job_id: str = ""
    errands: dict[int, Errand] = field(default_factory=dict)
    is_up: bool = False
    has_left: bool = False
    why: str = ""
    goes_on: bool = False
    was_up: bool = False
    misses: int = 0
    _n_given: int = 0
    _is_told_to_leave: bool = False
    _is_interrupted: bool = False

    def __post_init__(self) -> None:
        self._numbers = itertools.count()

    @classmethod
    def found(cls, folder: Path) -> Allocation:
        """An allocation that an earlier launcher has left behind."""
        self = cls(Mailbox(folder, "launcher"))
        last = -1
        for letter in self.box.told():
            if letter["kind"] == mailbox.SUBMITTED:
                self.job_id = str(letter["job_id"])
            elif letter["kind"] == mailbox.RUN:
                last = letter["id"]
                self.errands[last] = Errand(Path(letter["folder"]))
            else:
                self._is_told_to_leave = True
        self._numbers = itertools.count(last + 1)
        self.read()
        self.errands = {key: one for key, one in self.errands.items() if one.end is None}
        return self

    @property
    def n_free(self) -> int:
        """How many jobs it takes now."""
        if not self.is_up or self._is_told_to_leave:
            return 0
        return self.n_to_come - len(self._running())

    @property
    def n_to_come(self) -> int:
        """How many jobs it takes at a time from now on, or once its foreman works."""
        if self.has_left or self._is_told_to_leave:
            return 0
        left = self.n_slots if self.at_most is None else self.at_most - self._n_given
        return min(self.n_slots, left + len(self._running()))

    def submitted(self, job_id: str) -> None:
        """Note that Slurm has accepted it."""
        self.job_id = job_id
        self.box.tell(mailbox.SUBMITTED, job_id=job_id)

    def give(self, job: Job, n_moves: int = 0) -> None:
        """Give it a job."""
        number = next(self._numbers)
        self.errands[number] = Errand(job.folder, job, n_moves=n_moves)
        self._n_given += 1
        self.box.tell(mailbox.RUN, id=number, folder=str(job.folder))
        if self._n_given == self.at_most:
            self.leave()

    def claim(self, job: Job) -> bool:
        """Whether an earlier launcher gave it this job, which is then taken over."""
        for errand in self.errands.values():
            if errand.job is None and errand.folder == job.folder:
                errand.job = job
                return True
        return False

    def leave(self) -> None:
        """Let the foreman leave once its jobs have ended."""
        if not self._is_told_to_leave:
            self._is_told_to_leave = True
            self.box.tell(mailbox.LEAVE)

    def interrupt(self) -> None:
        """Let its jobs save, and the foreman leave."""
        if not self._is_interrupted:
            self._is_interrupted = self._is_told_to_leave = True
            self.box.tell(mailbox.INTERRUPT)

    def read(self) -> None:
        """Read what the foreman has written since the last time."""
        for letter in self.box.new():
            kind = letter["kind"]
            if kind == mailbox.UP:
                self.is_up = self.was_up = True
                self.n_slots, self._n_given = letter["slots"], len(self._running())
            elif kind == mailbox.BEGAN and letter["id"] in self.errands:
                self.errands[letter["id"]].has_begun = True
            elif kind == mailbox.ENDED and letter["id"] in self.errands:
                self.errands[letter["id"]].end = letter
            elif kind == mailbox.REQUEUED:
                self.is_up = False
            elif kind == mailbox.LEFT:
                self.is_up, self.has_left = False, True
                self.why, self.goes_on = letter.get("why", ""), letter.get("again", False)

    def ends(self) -> Iterator[Ended]:
        """The ends of jobs that were asked for; each is given once."""
        for number, errand in list(self.errands.items()):
            if errand.end is not None and errand.job is not None:
                del self.errands[number]
                yield _ended(errand.job, errand.end)

    def drop(self) -> list[Errand]:
        """Take its jobs away from it, as it is gone."""
        dropped = [one for one in self.errands.values() if one.job is not None]
        self.errands.clear()
        return dropped

    def _running(self) -> list[Errand]:
        return [one for one in self.errands.values() if one.end is None]


def _ended(job: Job, letter: Letter) -> Ended:
    return Ended(
        job,
        Outcome(letter["outcome"]),
        letter["value"],
        letter["error"],
        letter["seconds"],
        letter["device"],
    )

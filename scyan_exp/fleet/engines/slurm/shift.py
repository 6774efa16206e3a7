"""What a foreman does between one start of its Slurm job and the next, or the end."""

from __future__ import annotations

import time
from pathlib import Path

from omegaconf import OmegaConf

import scyan_exp.fleet.engines.slurm.mailbox as mailbox
from scyan_exp.fleet.engines.base import Ended, Engine
from scyan_exp.fleet.engines.slurm.cut_off import CutOff
from scyan_exp.fleet.engines.slurm.mailbox import Mailbox
from scyan_exp.fleet.jobs import Job, Kept
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord

#: Seconds between two looks into the mailbox.
POLL = 0.25
#: Seconds without a job after which a foreman leaves: the launcher has no work for it, or is gone.
IDLE = 60.0


class Shift:
    """Runs the jobs that the launcher names.

    Args:
        box: the mailbox. Jobs that did not end in the last start run first.
        engine: runs the jobs.
        cut_off: whether Slurm wants the node back.
        node: the name of the machine.

    Attributes:
        open: folders of the jobs that have not ended, by number.
    """

    def __init__(self, box: Mailbox, engine: Engine, cut_off: CutOff, node: str) -> None:
        self._box, self._engine, self._cut_off, self._node = box, engine, cut_off, node
        told = box.told()
        self._ended = {one["id"] for one in told if one["kind"] == mailbox.ENDED}
        self._begun = {one["id"] for one in told if one["kind"] == mailbox.BEGAN}
        self._running: set[int] = set()
        self._is_interrupted = self._is_last = False
        self._busy_at = time.monotonic()
        self.open: dict[int, Path] = {}

    def work(self) -> None:
        """Run jobs; returns when none runs and none will come."""
        while True:
            self._read()
            if self._is_interrupted:
                self._refuse_others(Outcome.INTERRUPTED, "interrupted")
            if self._cut_off.is_late:
                self._engine.kill()  # jobs that saved in time count
            elif self._is_stopping:
                self._engine.interrupt()
            else:
                self._start()
            if self._is_done:
                return
            for ended in self._engine.wait(POLL):
                self._take(ended)

    def refuse(self, why: str) -> None:
        """Run nothing, and end the jobs that are open: they have had their time."""
        self._read()
        self._is_last = True
        self._refuse_others(Outcome.TIMED_OUT, why)

    @property
    def _is_stopping(self) -> bool:
        return self._is_interrupted or bool(self._cut_off)

    @property
    def _is_done(self) -> bool:
        is_idle = time.monotonic() - self._busy_at > IDLE
        return not self._running and (self._is_stopping or self._is_last or is_idle)

    def _read(self) -> None:
        for letter in self._box.new():
            if letter["kind"] == mailbox.RUN and letter["id"] not in self._ended:
                self.open[letter["id"]] = Path(letter["folder"])
                self._busy_at = time.monotonic()
            self._is_interrupted |= letter["kind"] == mailbox.INTERRUPT
            self._is_last |= letter["kind"] == mailbox.LEAVE

    def _start(self) -> None:
        for number in self.open.keys() - self._running:
            if number in self._begun:  # in an earlier start of this Slurm job, which was cut off
                _let_go_on(self.open[number])
            self._running.add(number)
            self._box.tell(mailbox.BEGAN, id=number)
            self._engine.submit(Job(number, self.open[number], [], Kept(OmegaConf.create())))

    def _take(self, ended: Ended) -> None:
        self._running.discard(ended.job.number)
        self._busy_at = time.monotonic()
        if ended.outcome == Outcome.FAILED:
            time.sleep(POLL)  # its processes may have got Slurm's signal before this one
        goes_on = ended.outcome != Outcome.COMPLETED and not self._is_interrupted
        if goes_on and self._cut_off:  # it goes on when this Slurm job comes back
            _let_go_on(ended.job.folder)
        else:
            self._end(ended)

    def _refuse_others(self, outcome: Outcome, error: str) -> None:
        """End the jobs that are open but do not run."""
        for number in self.open.keys() - self._running:
            job = Job(number, self.open[number], [], Kept(OmegaConf.create()))
            self._end(Ended(job, outcome, error=error))

    def _end(self, ended: Ended) -> None:
        del self.open[ended.job.number]
        self._box.tell(
            mailbox.ENDED,
            id=ended.job.number,
            outcome=ended.outcome,
            value=ended.value,
            error=ended.error,
            seconds=ended.seconds,
            device=f"{ended.device or 'none'}@{self._node}",
        )


def _let_go_on(folder: Path) -> None:
    """Let a job that failed because it was cut off go on, instead of starting anew.

    If Slurm sends its signal to all processes, W&B's process ends at once, and the training fails.
    """
    record = RunRecord.read(folder)
    if record is not None and record.status == Outcome.FAILED:
        record.fail(Outcome.INTERRUPTED, f"cut off by Slurm ({record.error})")

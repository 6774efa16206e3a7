"""The state of a job of a sweep, as its row of ``sweep.csv`` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scyan_exp.fleet.jobs import Job
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import DO_NOT_USE, RunRecord

#: The word in tables for a job that an earlier start of the sweep completed; it is not an outcome.
KEPT = "kept"


@dataclass
class JobState:
    """The state of a job, or of one of its repeats.

    Attributes:
        job: the job.
        outcome: its state, or how it ended.
        value: its objective (a list of several), or whatever another program returned.
        error: what went wrong.
        seconds: how long all its attempts and repeats took together.
        device: the slot that it ran in last.
        attempts: how often it was started.
        is_kept: whether an earlier start of the sweep brought it to its end.
        metrics: the metrics of its record, once it has ended; a value that is not finite is None.
        verdict: whether its annotation can be used, from its record; "" if the record does not say.
        label: what tells it from the other jobs, for people to read.
    """

    job: Job
    outcome: Outcome = Outcome.NOT_RUN
    value: Any = None
    error: str | None = None
    seconds: float = 0.0
    device: str = ""
    attempts: int = 0
    is_kept: bool = False
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    verdict: str = ""
    label: str = ""

    @property
    def status(self) -> str:
        """The word for its outcome in tables."""
        return KEPT if self.is_kept and self.outcome == Outcome.COMPLETED else str(self.outcome)

    @property
    def is_refused(self) -> bool:
        """Whether its annotation should not be used, even if its objective is good."""
        return self.verdict == DO_NOT_USE

    def take_earlier_result(self) -> bool:
        """Take the result in the folder, if it belongs to the same config."""
        record = self._ended_record()
        if record is None:
            return False
        self.outcome, self.value, self.metrics = record.status, record.objective, record.metrics
        self.verdict, self.is_kept = record.verdict, True
        return True

    def take_metrics(self) -> None:
        """Take the metrics of the record that the job has just written."""
        record = self._ended_record()
        self.metrics = {} if record is None else record.metrics
        self.verdict = "" if record is None else record.verdict

    def write_loss(self) -> None:
        """Complete the record of a job whose process is gone."""
        record = RunRecord.read(self.job.folder) if self.job.checked else None
        if record is not None and record.status == Outcome.RUNNING:
            record.fail(self.outcome, self.error)

    def _ended_record(self) -> RunRecord | None:
        if self.job.checked is None:  # a program that leaves no record
            return None
        return RunRecord.read_ended(self.job.folder, self.job.checked)


def label_jobs(states: list[JobState]) -> None:
    """Label each job with its overrides, except for those that all jobs have."""
    overrides = [set(state.job.overrides) for state in states]
    shared = set.intersection(*overrides) if len(states) > 1 else set()
    for state in states:
        state.label = " ".join(one for one in state.job.overrides if one not in shared)

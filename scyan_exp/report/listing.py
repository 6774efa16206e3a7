"""A line for each run, sweep and search below a folder: ``scyan-exp ls``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from scyan_exp.errors import InputError
from scyan_exp.report.finding import Kind, find
from scyan_exp.report.labels import labels_of
from scyan_exp.report.ranking import Goal, goal_of_run, goal_of_sweep, yaml_if_readable
from scyan_exp.report.sorting import Order
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, Value
from scyan_exp.run.sweep_jobs import SweepJob, jobs_of, outcome_of, record_of

#: What lines can be sorted by, besides metrics.
COLUMNS = ("when", "objective", "seconds")
#: How a job stands whose record cannot be read.
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Entry:
    """A run, a sweep, a search or a consensus.

    Attributes:
        folder: where it lies.
        kind: which of these it is.
        when: when it began.
        what: its overrides, as typed; of a consensus a few words on it.
        outcomes: how many jobs ended in which way; of a run its own outcome.
        goal: the objective; None where the jobs have different ones.
        objective: its value; of a sweep that of the best job.
        verdict: whether the annotation can be used; of a sweep that of the best job.
        metrics: those of the run; of a sweep those of the best job.
        seconds: spent in training, of all jobs.
        best: the number of the best job of a sweep.
        note: what is wrong with the folder; "" if nothing is.
    """

    folder: Path
    kind: Kind
    when: datetime | None = None
    what: Sequence[str] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    goal: Goal | None = None
    objective: Value | None = None
    verdict: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    best: int | None = None
    note: str = ""

    @property
    def n_jobs(self) -> int:
        """How many jobs it has; 1 of a run."""
        return sum(self.outcomes.values())

    def rank(self, order: Order) -> float:
        """Lower for what comes first in an order."""
        if order.name == "when":
            return math.nan if self.when is None else -self.when.timestamp()
        if order.name == "seconds":
            return self.seconds
        if order.name == "objective":
            return math.nan if self.goal is None else self.goal.rank(self.objective)
        return order.metric_rank(self.metrics)

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {
            "folder": str(self.folder),
            "kind": str(self.kind),
            "when": None if self.when is None else self.when.isoformat(timespec="seconds"),
            "what": " ".join(self.what),
            "jobs": self.n_jobs,
            "outcomes": dict(self.outcomes),
            "objective_name": None if self.goal is None else " ".join(self.goal.names),
            "objective": self.objective,
            "best_job": self.best,
            "verdict": self.verdict or None,
            "seconds": self.seconds,
            "note": self.note or None,
            "metrics": dict(self.metrics),
        }


def list_entries(folder: Path) -> list[Entry]:
    """What lies in a folder and below it, in no order; a damaged one says so in its note.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError("no such folder; expected one with runs or sweeps", where=str(folder))
    return [read_entry(kind, path) for kind, path in find(folder)]


def sort_entries(entries: Iterable[Entry], order: Order) -> list[Entry]:
    """Entries in an order; by the objective, those of the same objective together."""
    found = order.sort(entries, lambda entry: entry.rank(order))
    if order.name != "objective":
        return found
    names = Counter(entry.goal.names for entry in found if entry.goal is not None)
    place = {name: i for i, (name, _) in enumerate(names.most_common())}
    return sorted(found, key=lambda entry: place[entry.goal.names] if entry.goal else len(place))


def read_entry(kind: Kind, folder: Path) -> Entry:
    """One of them; what is wrong with the folder is in its note."""
    try:
        if kind in (Kind.SWEEP, Kind.SEARCH):
            return _read_sweep(kind, folder)
        return _read_run(kind, folder)
    except InputError as error:
        return Entry(folder, kind, _began(folder), note=str(error).removeprefix(f"{folder}/"))
    except OSError as error:
        return Entry(folder, kind, note=f"cannot be read ({error.strerror or error})")


def _read_run(kind: Kind, folder: Path) -> Entry:
    own = RunFolder(folder)
    record = RunRecord.read(folder)
    members = _members(record) if record is not None and kind == Kind.CONSENSUS else []
    goal = goal_of_run(folder / str(members[0]["folder"]) if members else folder)
    if record is None:
        note = f"{own.result.name} is damaged" if own.result.exists() else ""
        outcome = UNREADABLE if note else str(Outcome.NOT_RUN)
        return Entry(folder, kind, _began(folder), _typed(folder), {outcome: 1}, goal, note=note)
    return Entry(
        folder,
        kind,
        _began(folder),
        [f"of {len(members)} runs"] if members else _typed(folder),
        {str(record.status): 1},
        goal,
        record.objective,
        record.verdict,
        record.metrics,
        record.fit_seconds,
        note=record.error or "",
    )


def _read_sweep(kind: Kind, folder: Path) -> Entry:
    jobs = jobs_of(folder.absolute())
    read = {job.number: read_job(job) for job in jobs}
    records = {number: record for number, (record, _) in read.items() if record is not None}
    goal = goal_of_sweep(folder, jobs)
    number = best_job(records, goal)
    best = None if number is None else records[number]
    return Entry(
        folder,
        kind,
        _began(folder),
        _command(folder, jobs),
        Counter(outcome for _, outcome in read.values()),
        goal,
        None if best is None else best.objective,
        "" if best is None else best.verdict,
        {} if best is None else best.metrics,
        sum(record.fit_seconds for record in records.values()),
        number,
        "" if jobs else "no job has begun",
    )


def read_job(job: SweepJob) -> tuple[RunRecord | None, str]:
    """The record of a job, if it can be read, and how the job stands."""
    try:
        record = record_of(job)
    except (InputError, OSError):
        return None, UNREADABLE
    return record, str(outcome_of(record, job.row))


def best_job(records: Mapping[int, RunRecord], goal: Goal | None) -> int | None:
    """The number of the completed job with the best objective; None if there is none."""
    if goal is None:
        return None
    ranks = {
        number: goal.rank(record.objective)
        for number, record in records.items()
        if record.status == Outcome.COMPLETED and goal.keeps_constraints(record)
    }
    ranks = {number: rank for number, rank in ranks.items() if math.isfinite(rank)}
    return min(ranks, key=ranks.__getitem__) if ranks else None


def _began(folder: Path) -> datetime | None:
    """When the first of its files was written."""
    sweep, run = SweepFolder(folder), RunFolder(folder)
    paths = (sweep.multirun, sweep.search, sweep.manifest, run.overrides, run.config, run.result)
    for path in paths:
        if path.is_file():
            return datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return None


def _typed(folder: Path) -> list[str]:
    """The overrides of a run, as typed."""
    overrides = yaml_if_readable(RunFolder(folder).overrides)
    return list(map(str, overrides)) if isinstance(overrides, list) else []


def _command(folder: Path, jobs: Sequence[SweepJob]) -> list[str]:
    """The overrides of a sweep as typed; where they are gone, those that all jobs have."""
    config = yaml_if_readable(SweepFolder(folder).multirun)
    try:
        return list(map(str, config["hydra"]["overrides"]["task"]))
    except (KeyError, TypeError):
        return labels_of([job.overrides for job in jobs])[1]


def _members(record: RunRecord) -> list[Mapping[str, Any]]:
    return list((record.repeats or {}).get("members", []))

"""The jobs of a sweep, from the list of its launcher or from their folders."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from scyan_exp.documents import read_yaml
from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from scyan_exp.run.sweep_files import Manifest, Row, read_rows

#: Where the next override begins in a line of overrides.
NEXT_OVERRIDE = re.compile(r" (?=[+~]*[\w./@-]+=)")


@dataclass(frozen=True)
class SweepJob:
    """What is known about a job without looking into its folder.

    Attributes:
        number: its number in the sweep.
        folder: its run folder; None if the job was refused before it had one.
        overrides: what tells it from other jobs, as typed.
        row: its row in ``sweep.csv``.
    """

    number: int
    folder: Path | None
    overrides: list[str]
    row: Row = field(default_factory=dict)


def jobs_of(folder: Path) -> list[SweepJob]:
    """The jobs in the fleet's list or, if there is none, those that have folders."""
    sweep = SweepFolder(folder)
    rows = read_rows(sweep.table)
    jobs = _listed(sweep.manifest) if sweep.manifest.is_file() else _found(sweep.job_folders())
    known = [replace(job, row=rows.pop(job.number, {})) for job in jobs]
    refused = [
        SweepJob(n, None, NEXT_OVERRIDE.split(row["overrides"]), row) for n, row in rows.items()
    ]
    return sorted([*known, *refused], key=lambda job: job.number)


def _listed(manifest: Path) -> list[SweepJob]:
    return [
        SweepJob(one.number, manifest.parent / one.folder, one.overrides)
        for one in Manifest.read(manifest).jobs
    ]


def _found(folders: Sequence[RunFolder]) -> list[SweepJob]:
    """The jobs of a launcher without a list, with the numbers that it gave them."""
    numbers = [_number(one) for one in folders]
    if len(set(numbers)) < len(numbers):
        numbers = list(range(len(folders)))
    return [
        SweepJob(number, one.path, [str(text) for text in _yaml(one.overrides) or []])
        for number, one in zip(numbers, folders, strict=True)
    ]


def _number(folder: RunFolder) -> int:
    if folder.path.name.isdecimal():
        return int(folder.path.name)
    try:
        return int(_yaml(folder.hydra_config)["hydra"]["job"]["num"])
    except (OSError, ValueError, TypeError, KeyError):
        return -1


def _yaml(path: Path) -> Any:
    try:
        return read_yaml(path)
    except ValueError as error:
        raise InputError(str(error), where=str(path)) from error


def record_of(job: SweepJob) -> RunRecord | None:
    """The record of a job; None if there is none that can be read.

    A file that has not changed is not read again, as pages that follow a sweep ask every second.

    Raises:
        InputError: a newer version of the program wrote it.
    """
    if job.folder is None:
        return None
    try:
        found = RunFolder(job.folder).result.stat()
    except OSError:
        return RunRecord.read(job.folder)
    return _record(job.folder, (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(maxsize=4096)
def _record(folder: Path, state: tuple[int, int, int]) -> RunRecord | None:
    """The record in a file of this state; nobody may change it."""
    return RunRecord.read(folder)


def result_of(job: SweepJob, record: RunRecord | None) -> tuple[dict[str, Any], dict[str, float]]:
    """The result of a job, and its metrics; NaN for a missing number."""
    seconds = job.row.get("seconds")
    result = {
        "outcome": str(outcome_of(record, job.row)),
        "objective": math.nan
        if record is None or record.objective is None
        else copy(record.objective),
        "epochs": record.epochs if record else math.nan,
        "fit_seconds": record.fit_seconds if record else math.nan,
        "seconds": float(seconds) if seconds else math.nan,
        "device": job.row.get("device") or None,
        "error": (record.error if record else None) or job.row.get("error") or None,
        "folder": None if job.folder is None else str(job.folder),
    }
    measured = record.metrics if record else {}
    return result, {k: math.nan if value is None else value for k, value in measured.items()}


def outcome_of(record: RunRecord | None, row: Row) -> Outcome:
    """The outcome that the run wrote itself or, if it could not, the one that the fleet wrote."""
    if record is not None and record.status != Outcome.RUNNING:
        return record.status
    of_fleet = row.get("status")
    if of_fleet in set(Outcome) and of_fleet != Outcome.NOT_RUN:
        return Outcome(of_fleet)
    return Outcome.NOT_RUN if record is None else record.status

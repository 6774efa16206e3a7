"""The jobs of a sweep as a table: what each was given, and what came of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from scyan_exp.config.overrides import bare_key
from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from scyan_exp.run.sweep_files import Manifest, Row, read_rows

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns besides those of overrides and metrics.
BEFORE = ("outcome", "objective")
AFTER = ("epochs", "fit_seconds", "seconds", "device", "error", "folder")
#: Before the key of an override that is also the name of another column.
PREFIX = "override."
#: Where a new override begins in a line of them.
NEXT_OVERRIDE = re.compile(r" (?=[+~]*[\w./@-]+=)")


@dataclass(frozen=True)
class _Job:
    """What is known of a job without its own folder.

    Attributes:
        number: its number in the sweep.
        folder: its run folder; None for one that was refused before it had any.
        overrides: what distinguishes it, as typed.
        row: its row in ``sweep.csv``.
    """

    number: int
    folder: Path | None
    overrides: list[str]
    row: Row = field(default_factory=dict)


def read_sweep(folder: str | Path) -> DataFrame:
    """The jobs of a sweep or a search, under whatever launcher, also while it runs.

    Args:
        folder: the folder of the sweep.

    Returns:
        A row a job, by its number. The columns: one an override, by its key, with its value
        (numbers as numbers; missing where a job was not given it); ``outcome``; ``objective``
        (a list of several); one a metric; ``epochs`` and ``fit_seconds`` of the training;
        ``seconds`` and ``device`` of the whole job, where the fleet ran it; ``error``;
        ``folder``. An override whose key is the name of another column too, such as
        ``objective``, stands under ``override.objective``.

    Raises:
        InputError: there is no sweep in this folder, or a newer version of the program wrote it.
    """
    import pandas as pd

    jobs = _jobs(Path(folder).absolute())
    if not jobs:
        raise InputError(_why_no_sweep(Path(folder)), where=str(folder))
    given = [_values(job.overrides) for job in jobs]
    results = [_result(job) for job in jobs]
    metrics = _names(metrics for _, metrics in results)
    own = {*BEFORE, *metrics, *AFTER}
    columns = {key: f"{PREFIX}{key}" if key in own else key for key in _names(given)}
    rows = [
        {**{columns[key]: value for key, value in values.items()}, **measured, **result}
        for values, (result, measured) in zip(given, results, strict=True)
    ]
    index = pd.Index([job.number for job in jobs], name="job")
    return pd.DataFrame(rows, index, [*columns.values(), *BEFORE, *metrics, *AFTER])


def _jobs(folder: Path) -> list[_Job]:
    """The jobs in the list that the fleet keeps, or else those that have folders."""
    sweep = SweepFolder(folder)
    rows = read_rows(sweep.table)
    jobs = _listed(sweep.manifest) if sweep.manifest.is_file() else _found(sweep.job_folders())
    known = [replace(job, row=rows.pop(job.number, {})) for job in jobs]
    refused = [_Job(n, None, NEXT_OVERRIDE.split(row["overrides"]), row) for n, row in rows.items()]
    return sorted([*known, *refused], key=lambda job: job.number)


def _listed(manifest: Path) -> list[_Job]:
    return [
        _Job(one.number, manifest.parent / one.folder, one.overrides)
        for one in Manifest.read(manifest).jobs
    ]


def _found(folders: Sequence[RunFolder]) -> list[_Job]:
    """Jobs of a launcher that keeps no list, with the numbers that it gave them."""
    numbers = [_number(one) for one in folders]
    if len(set(numbers)) < len(numbers):
        numbers = list(range(len(folders)))
    return [
        _Job(number, one.path, [str(text) for text in _yaml(one.overrides) or []])
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
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"not YAML ({error})", where=str(path)) from error


def _result(job: _Job) -> tuple[dict[str, Any], dict[str, float]]:
    """What came of a job, and its metrics; NaN for a number that is not there."""
    record = None if job.folder is None else RunRecord.read(job.folder)
    seconds = job.row.get("seconds")
    result = {
        "outcome": str(_outcome(record, job.row)),
        "objective": math.nan if record is None or record.objective is None else record.objective,
        "epochs": record.epochs if record else math.nan,
        "fit_seconds": record.fit_seconds if record else math.nan,
        "seconds": float(seconds) if seconds else math.nan,
        "device": job.row.get("device") or None,
        "error": (record.error if record else None) or job.row.get("error") or None,
        "folder": None if job.folder is None else str(job.folder),
    }
    measured = record.metrics if record else {}
    return result, {k: math.nan if value is None else value for k, value in measured.items()}


def _outcome(record: RunRecord | None, row: Row) -> Outcome:
    """What the run wrote itself; of one that could not, what the fleet wrote."""
    if record is not None and record.status != Outcome.RUNNING:
        return record.status
    of_fleet = row.get("status")
    if of_fleet in set(Outcome) and of_fleet != Outcome.NOT_RUN:
        return Outcome(of_fleet)
    return Outcome.NOT_RUN if record is None else record.status


def _values(overrides: Iterable[str]) -> dict[str, Any]:
    """The values of overrides by their keys; of a key given twice the last one, as Hydra does."""
    return {bare_key(override): _value(override) for override in overrides}


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _value(override: str) -> Any:
    """Numbers, lists and so on as Python's; ``removed`` for a key that was taken away."""
    try:
        parsed = _parser().parse_override(override)
        if parsed.is_delete():
            return "removed"
        return override.partition("=")[2] if parsed.is_sweep_override() else parsed.value()
    except HydraException:  # of another program, which quotes in its own way
        return override.partition("=")[2]


def _names(tables: Iterable[Iterable[str]]) -> list[str]:
    """All names in the order in which they first occur."""
    return list(dict.fromkeys(name for table in tables for name in table))


def _why_no_sweep(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder; expected that of a sweep"
    if RunFolder(folder).result.exists():
        return "this is the folder of a run: read it with scyan_exp.read_run"
    return "no sweep: there are neither a sweep.json nor folders of jobs in it"

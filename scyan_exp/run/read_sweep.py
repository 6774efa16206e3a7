"""The jobs of a sweep as a table: their overrides and their results."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from scyan_exp.config.overrides import bare_key
from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.sweep_jobs import SweepJob, jobs_of, record_of, result_of

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns besides those of overrides and metrics.
BEFORE = ("outcome", "objective")
AFTER = ("epochs", "fit_seconds", "seconds", "device", "error", "folder")
#: Before the key of an override that is also the name of another column.
PREFIX = "override."


def read_sweep(folder: str | Path) -> DataFrame:
    """The jobs of a sweep or a search of any launcher, even while it runs.

    Args:
        folder: the folder of the sweep.

    Returns:
        A row per job, by its number. There are columns for each override, by its key (numbers as
        numbers; missing for a job without it), for ``outcome``, ``objective`` (a list if there are
        several) and each metric; ``epochs`` and ``fit_seconds`` of the training; ``seconds`` and
        ``device`` of the whole job, if the fleet ran it; ``error`` and ``folder``. If the key of an
        override is also the name of another column, such as ``objective``, its column is
        ``override.objective``.

    Raises:
        InputError: there is no sweep in this folder, or a newer version of the program wrote it.
    """
    import pandas as pd

    jobs = jobs_of(Path(folder).absolute())
    if not jobs:
        raise InputError(why_no_sweep(Path(folder)), where=str(folder))
    columns, rows = tabled(jobs, [result_of(job, record_of(job)) for job in jobs])
    return pd.DataFrame(rows, pd.Index([job.number for job in jobs], name="job"), columns)


def tabled(
    jobs: Sequence[SweepJob], results: Sequence[tuple[dict[str, Any], dict[str, float]]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns and the rows of the table of a sweep.

    Args:
        jobs: its jobs.
        results: the result of each, see :func:`~scyan_exp.run.sweep_jobs.result_of`.
    """
    given = [_values(job.overrides) for job in jobs]
    metrics = _names(metrics for _, metrics in results)
    own = {*BEFORE, *metrics, *AFTER}
    columns = {key: f"{PREFIX}{key}" if key in own else key for key in _names(given)}
    rows = [
        {**{columns[key]: value for key, value in values.items()}, **measured, **result}
        for values, (result, measured) in zip(given, results, strict=True)
    ]
    return [*columns.values(), *BEFORE, *metrics, *AFTER], rows


def _values(overrides: Iterable[str]) -> dict[str, Any]:
    """The values of overrides by key; if a key is given twice, the last one, as in Hydra."""
    return {bare_key(override): copy.copy(_value(override)) for override in overrides}


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


@lru_cache(maxsize=16_384)
def _value(override: str) -> Any:
    """The value as a number, a list and so on; ``removed`` for a key that was deleted."""
    try:
        parsed = _parser().parse_override(override)
        if parsed.is_delete():
            return "removed"
        return override.partition("=")[2] if parsed.is_sweep_override() else parsed.value()
    except HydraException:  # another program quotes in its own way
        return override.partition("=")[2]


def _names(tables: Iterable[Iterable[str]]) -> list[str]:
    """All names, in the order of their first occurrence."""
    return list(dict.fromkeys(name for table in tables for name in table))


def why_no_sweep(folder: Path) -> str:
    """Why there are no jobs in a folder."""
    if not folder.is_dir():
        return "no such folder; expected that of a sweep"
    if RunFolder(folder).result.exists():
        return "this is the folder of a run, not of a sweep (in Python: scyan_exp.read_run)"
    return "no sweep: there are neither a sweep.json nor folders of jobs in it"

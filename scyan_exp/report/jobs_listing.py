"""A line for each job of a sweep: ``scyan-exp ls SWEEP``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.errors import InputError
from scyan_exp.report.labels import labels_of
from scyan_exp.report.listing import UNREADABLE
from scyan_exp.report.ranking import Goal, goal_of_sweep
from scyan_exp.report.sorting import Order
from scyan_exp.run.read_sweep import tabled, why_no_sweep
from scyan_exp.run.record import RunRecord
from scyan_exp.run.sweep_jobs import SweepJob, jobs_of, record_of, result_of

#: What jobs can be sorted by, besides metrics.
COLUMNS = ("job", "objective", "seconds", "epochs")


@dataclass(frozen=True)
class JobsTable:
    """The jobs of a sweep, as :func:`scyan_exp.read_sweep` has them.

    Attributes:
        columns: of the table: ``job``, then as there, and ``verdict``.
        rows: a row a job; NaN or no value where something is missing.
        labels: what tells each job from the others, by its number.
        metrics: the columns that are metrics.
        goal: the objective; None where the jobs have different ones.
    """

    columns: Sequence[str]
    rows: Sequence[dict[str, Any]]
    labels: dict[int, str]
    metrics: Sequence[str]
    goal: Goal | None

    def sorted(self, order: Order) -> list[dict[str, Any]]:
        """The rows in an order."""
        return order.sort(self.rows, lambda row: self._rank(row, order))

    def _rank(self, row: dict[str, Any], order: Order) -> float:
        if order.name == "objective":
            return math.nan if self.goal is None else self.goal.rank(row["objective"])
        if order.is_metric:
            return order.metric_rank(row)
        value = float(row[order.name])
        if order.name == "seconds" and math.isnan(value):  # of a launcher that measures no jobs
            value = float(row["fit_seconds"])
        return value


def read_jobs_table(folder: Path) -> JobsTable:
    """The jobs of a sweep; one that cannot be read says why in its row.

    Raises:
        InputError: there is no sweep in the folder, or its list of jobs is damaged.
    """
    jobs = jobs_of(folder.absolute())
    if not jobs:
        raise InputError(why_no_sweep(folder), where=str(folder))
    results, verdicts = [], []
    for job in jobs:
        record, error = _record(job)
        result, metrics = result_of(job, record)
        if error:
            result |= {"outcome": UNREADABLE, "error": error}
        results.append((result, metrics))
        verdicts.append(record.verdict or None if record is not None else None)
    columns, rows = tabled(jobs, results)
    for job, row, verdict in zip(jobs, rows, verdicts, strict=True):
        row |= {"job": job.number, "verdict": verdict}
    labels, _ = labels_of([job.overrides for job in jobs])
    return JobsTable(
        ["job", *columns, "verdict"],
        rows,
        dict(zip((job.number for job in jobs), labels, strict=True)),
        list(dict.fromkeys(name for _, measured in results for name in measured)),
        goal_of_sweep(folder, jobs),
    )


def _record(job: SweepJob) -> tuple[RunRecord | None, str]:
    """The record of a job, and why it cannot be read."""
    try:
        return record_of(job), ""
    except InputError as error:
        return None, str(error)
    except OSError as error:
        return None, f"cannot be read ({error.strerror or error})"

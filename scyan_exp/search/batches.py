"""Searches under other launchers than the fleet: Hydra hands them a batch of trials at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus

from scyan_exp.config.overrides import quoted
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.state import JobState
from scyan_exp.fleet.table import other_rows, write_csv
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from scyan_exp.search.trials import Trials

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

log = logging.getLogger(__name__)


def run_batches(
    trials: Trials, launcher: Launcher, sweep_dir: Path, n_parallel: int
) -> tuple[list[JobState], bool]:
    """Run all trials, ``n_parallel`` at a time.

    What a trial gave is read from its ``result.json``, where there is one: so a batch that was
    cut off loses nothing.

    Returns:
        The rows of the trials, and whether Ctrl-C ended them.
    """
    print(f"{trials}, {n_parallel} at a time; results: {sweep_dir}", flush=True)
    rows: dict[int, JobState] = {}
    interrupted = False
    while not interrupted:
        batch = _batch(trials, rows, n_parallel)
        if not batch:
            break
        try:
            returns = launcher.launch(
                [_overrides(job, sweep_dir) for job in batch], batch[0].number
            )
        except KeyboardInterrupt:
            returns, interrupted = [], True
        except Exception as error:
            log.error("the launcher failed: %s", error)
            returns = []
        for i, job in enumerate(batch):
            row = rows[job.number]
            _take(row, returns[i] if i < len(returns) else None, interrupted)
            trials.ended(row)
        csv = SweepFolder(sweep_dir).table
        write_csv(list(rows.values()), csv, other_rows(csv, rows))
    return [rows[number] for number in sorted(rows)], interrupted


def _batch(trials: Trials, rows: dict[int, JobState], size: int) -> list[Job]:
    """The jobs to start. One whose folder has its result already is told to Optuna instead."""
    batch: list[Job] = []
    while len(batch) < size and (job := trials.next()) is not None:
        row = rows[job.number] = JobState(job, label=trials.label(job))
        if row.take_earlier_result():
            trials.ended(row)
        else:
            batch.append(job)
    return batch


def _take(row: JobState, returned: JobReturn | None, interrupted: bool) -> None:
    """Note in its row what became of a job."""
    if _take_record(row):
        return
    if returned is not None and returned.status == JobStatus.COMPLETED and row.job.checked is None:
        row.outcome, row.value = Outcome.COMPLETED, returned.return_value
        return
    record = RunRecord.read(row.job.folder)
    failed = record is not None and record.status == Outcome.FAILED
    if failed or (returned is not None and not interrupted):
        row.outcome = Outcome.FAILED
        row.error = (None if record is None else record.error) or _error(returned)
    elif interrupted:
        row.outcome, row.error = Outcome.INTERRUPTED, "interrupted"
    else:
        row.outcome, row.error = Outcome.LOST, "its process was lost"


def _take_record(row: JobState) -> bool:
    checked = row.job.checked
    ended = None if checked is None else RunRecord.read_ended(row.job.folder, checked)
    if ended is None:
        return False
    row.outcome, row.metrics = ended.status, ended.metrics
    row.value, row.seconds = ended.objective, ended.fit_seconds
    row.verdict = ended.verdict
    return True


def _error(returned: JobReturn | None) -> str:
    try:
        return str(None if returned is None else returned.return_value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _overrides(job: Job, sweep_dir: Path) -> Sequence[str]:
    """The overrides of a job, with what its trial needs and the folder it must use."""
    sweeper = job.config.hydra.sweeper
    folder = job.folder.relative_to(sweep_dir.absolute())
    return [
        *job.overrides,
        f"hydra.sweeper.trial={sweeper.trial}",
        f"hydra.sweeper.prunes={sweeper.prunes}",
        *([f"hydra.sweeper.pruner={sweeper.pruner}"] if isinstance(sweeper.pruner, str) else []),
        f"hydra.sweeper.study_name={quoted(sweeper.study_name)}",
        f"hydra.sweep.subdir={quoted(str(folder))}",
    ]

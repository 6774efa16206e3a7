"""Annotating files of new cells: all are checked first, then they are written one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.fcs import Compensation
from scyan_exp.data.file_lists import sample_names
from scyan_exp.data.sample_sheet import read_sheet
from scyan_exp.errors import InputError, OutputError
from scyan_exp.files import UNWRITABLE
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.h5ad import H5adToH5ad
from scyan_exp.run.annotating.ledger import Ledger, identity_of_file
from scyan_exp.run.annotating.models import (
    correction_by,
    identity_of,
    load_members,
    model_files,
)
from scyan_exp.run.annotating.one_by_one import Annotated, OneByOne, identity_of_task
from scyan_exp.run.annotating.plan import Job, plan
from scyan_exp.run.annotating.progress import Progress
from scyan_exp.run.annotating.row_sinks import SINKS
from scyan_exp.run.annotating.rows import RowsToRows
from scyan_exp.run.annotating.ways import Task, Way
from scyan_exp.run.annotating.whole import Whole
from scyan_exp.run.settings_of import settings_of


def annotate_files(
    checkpoint: str | Path,
    paths: Sequence[str | Path],
    out: str | Path = "annotated",
    *,
    result: str = "h5ad",
    settings: PredictConfig | None = None,
    batch_ref: str | None = None,
    compensation: Compensation | None = None,
    metadata: str | Path | None = None,
) -> list[Annotated]:
    """Annotate files, each of which becomes ``<name>.annotated.<suffix>`` in a folder.

    An annotation that was cut off goes on when it is asked for again. Files that the same models
    have annotated already are skipped.

    Args:
        checkpoint: a checkpoint, or the folder of a run.
        paths: files of cells, or folders of them.
        out: the folder of the results.
        result: their format: ``h5ad``, ``csv``, ``parquet`` or ``fcs``.
        settings: the threshold and what is added; None for the run's settings.
        batch_ref: the batch to which the cells' expressions are corrected, in addition to their
            own; None for no correction.
        compensation: for FCS files: ``auto``, False, or the path of a CSV; None for that of the
            training cells.
        metadata: a CSV with one row per file: its name, and columns for ``obs``.

    Raises:
        InputError: everything that is wrong with models and files, before anything is written. Or
            an expression in a large file is not finite; all other files are annotated nevertheless.
        OutputError: results cannot be written, or another annotation is writing them.
    """
    jobs = plan(paths, Path(out), result)
    settings = settings_of(checkpoint) if settings is None else settings
    files, members = model_files(checkpoint), load_members(checkpoint)
    annotator = Annotator(members, settings, correction_by(files, members, batch_ref))
    if compensation is None:
        compensation = annotator.compensation
    tasks = [
        Task(job, annotator, compensation, known, identity_of_file(job.source))
        for job, known in zip(jobs, _known(jobs, metadata), strict=True)
    ]
    ways = [_way(task) for task in tasks]
    ledger, models = Ledger(Path(out)), identity_of(files)
    _check(tasks, ways, ledger, models)
    with _explained(Path(out)), Progress(jobs) as progress:
        Path(out).mkdir(parents=True, exist_ok=True)
        ledger.tidy()
        annotating = OneByOne(ledger, models, progress)
        for task, way in zip(tasks, ways, strict=True):
            annotating.add(task, way)
        return annotating.finish(Path(out))


def _known(jobs: Sequence[Job], metadata: str | Path | None) -> list[dict[str, Any]]:
    """What a sheet says about each file."""
    if metadata is None:
        return [{} for _ in jobs]
    files = [job.source for job in jobs]
    sheet = read_sheet(str(metadata), files, sample_names(files))
    return [
        {str(name): sheet[name].tolist()[i] for name in sheet.columns} for i in range(len(jobs))
    ]


def _way(task: Task) -> Way:
    job = task.job
    if job.result in SINKS:
        return RowsToRows(task)
    return H5adToH5ad(task) if job.kind == "h5ad" else Whole(task)


def _check(tasks: Sequence[Task], ways: Sequence[Way], ledger: Ledger, models: str) -> None:
    problems: list[str] = []
    for task, way in zip(tasks, ways, strict=True):
        output, source = task.job.output, task.job.source
        other = ledger.other_input(output, source)
        if other is not None and ledger.known(output, identity_of_task(task, models)) is None:
            problems.append(
                f"{source}: {output} is the result of another file, {other}, and would be written "
                "over; choose another folder with out=FOLDER, or remove it"
            )
        try:
            problems += [f"{task.job.source}: {one}" for one in way.problems()]
        except InputError as error:
            named = error.where or str(task.job.source)
            problems += [f"{named}: {one}" for one in error.problems]
    if problems:
        raise InputError(problems)


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """Explain the file system's refusals within the block."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise OutputError(
            f"the results cannot be written ({os.strerror(error.errno or 0)}): make room, or "
            "choose another folder with out=FOLDER",
            where=str(error.filename or out),
        ) from error

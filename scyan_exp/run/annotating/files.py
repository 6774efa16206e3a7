"""Annotating files of new cells: all are checked first, then one after the other is written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.fcs import Compensation
from scyan_exp.data.file_lists import sample_names
from scyan_exp.data.sample_sheet import read_sheet
from scyan_exp.errors import InputError, OutputError, listed
from scyan_exp.files import UNWRITABLE
from scyan_exp.run.annotating.alone import alone_on
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.h5ad import H5adToH5ad
from scyan_exp.run.annotating.ledger import Ledger, identity_of_file
from scyan_exp.run.annotating.models import (
    correction_by,
    identity_of,
    load_members,
    model_files,
)
from scyan_exp.run.annotating.overlap import Busy
from scyan_exp.run.annotating.partial import forget
from scyan_exp.run.annotating.plan import Job, plan
from scyan_exp.run.annotating.progress import Progress
from scyan_exp.run.annotating.row_sinks import SINKS
from scyan_exp.run.annotating.rows import RowsToRows
from scyan_exp.run.annotating.ways import Task, Way
from scyan_exp.run.annotating.whole import Whole
from scyan_exp.run.settings_of import settings_of

log = logging.getLogger(__name__)

#: Changes when results of the same input and models change: a partial one is then begun again.
VERSION = 2


@dataclass(frozen=True)
class Annotated:
    """What came of one file.

    Attributes:
        source: the file.
        output: the result.
        n_cells: its cells.
        n_unannotated: cells without a population.
        busy: how the time was spent; None for a file that was annotated before.
    """

    source: Path
    output: Path
    n_cells: int
    n_unannotated: int
    busy: Busy | None = None


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

    A cut-off annotation goes on where it was when it is asked for again; files that are annotated
    already by the same models are left alone.

    Args:
        checkpoint: a checkpoint, or the folder of a run.
        paths: files of cells, or folders of such.
        out: the folder of the results.
        result: their format: ``h5ad``, ``csv``, ``parquet`` or ``fcs``.
        settings: the threshold and what is added; as the run has it if not given.
        batch_ref: the batch whose expressions the cells get besides their own; None for none.
        compensation: of FCS files: ``auto``, False, or the path of a CSV; as that of the training
            cells if not given.
        metadata: a CSV with a row a file: its name, and columns for ``obs``.

    Raises:
        InputError: everything that is wrong with models and files; nothing is written then. Or
            an expression in a large file is not finite: all others are annotated nevertheless.
        OutputError: results cannot be written, or another annotation writes them.
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
    _check(tasks, ways)
    with _explained(Path(out)), Progress(jobs) as progress:
        Path(out).mkdir(parents=True, exist_ok=True)
        annotating = _Annotating(Ledger(Path(out)), identity_of(files), progress)
        for task, way in zip(tasks, ways, strict=True):
            annotating.add(task, way)
        return annotating.finish(Path(out))


def _known(jobs: Sequence[Job], metadata: str | Path | None) -> list[dict[str, Any]]:
    """What a sheet says of each file."""
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


def _check(tasks: Sequence[Task], ways: Sequence[Way]) -> None:
    problems: list[str] = []
    for task, way in zip(tasks, ways, strict=True):
        try:
            problems += [f"{task.job.source}: {one}" for one in way.problems()]
        except InputError as error:
            named = error.where or str(task.job.source)
            problems += [f"{named}: {one}" for one in error.problems]
    if problems:
        raise InputError(problems)


class _Annotating:
    """Annotates one file after the other; one that cannot be annotated does not keep the others.

    Args:
        ledger: what is annotated already.
        models: their identity.
        progress: the bar.
    """

    def __init__(self, ledger: Ledger, models: str, progress: Progress) -> None:
        self._ledger, self._models, self._progress = ledger, models, progress
        self._done: list[Annotated] = []
        self._problems: list[str] = []

    def add(self, task: Task, way: Way) -> None:
        """Annotate a file, unless it is annotated already."""
        job, identity = task.job, _identity(task, self._models)
        with alone_on(job.output):
            known = self._ledger.known(job.output, identity)
            if known is None:
                self._annotate(task, way, identity)
                return
        log.info("%s: annotated already, %s", job.source.name, job.output)
        self._progress.skip(job)
        self._done.append(Annotated(job.source, job.output, known["cells"], known["unannotated"]))

    def _annotate(self, task: Task, way: Way, identity: str) -> None:
        job = task.job
        try:
            counts, busy = way.annotate(identity, _warner(job), self._progress.advance(job))
        except KeyboardInterrupt:
            log.warning("%s: cut off; the same command goes on with it", job.source.name)
            raise
        except OutputError:
            raise
        except InputError as error:
            forget(job.output)
            self._problems += [f"{error.where or job.source}: {one}" for one in error.problems]
            return
        names = task.annotator.table.populations
        entry = {
            "input": str(job.source),
            "cells": sum(counts),
            "unannotated": counts[0],
            "populations": dict(zip(names, counts[1:], strict=True)),
        }
        self._ledger.add(job.output, identity, entry)
        done = Annotated(job.source, job.output, sum(counts), counts[0], busy)
        log.info("%s: %s", job.output, _said(done))
        self._done.append(done)

    def finish(self, out: Path) -> list[Annotated]:
        """What came of the files.

        Raises:
            InputError: what was wrong with some of them.
        """
        if not self._problems:
            return self._done
        *others, last = self._problems
        if self._done:
            names = listed(one.source.name for one in self._done)
            last += (
                f"\nThe other files are annotated, in {out}: {names}. The same command leaves them "
                "alone"
            )
        raise InputError([*others, last])


def _warner(job: Job) -> Any:
    return lambda doubt: log.warning("%s: %s", job.source.name, doubt)


def _identity(task: Task, models: str) -> str:
    compensation, correction = task.compensation, task.annotator.correction
    parts: dict[str, Any] = {
        "version": VERSION,
        "models": models,
        "input": identity_of_file(task.job.source),
        "result": task.job.result,
        "predict": task.annotator.settings.model_dump(),
        "compensation": dict(compensation) if isinstance(compensation, Mapping) else compensation,
        "known": dict(task.known),
        "batch_ref": None if correction is None else correction.batch_ref,
    }
    if isinstance(compensation, str) and compensation != "auto":
        parts["matrix"] = identity_of_file(Path(compensation))
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _said(done: Annotated) -> str:
    share = done.n_unannotated / max(1, done.n_cells)
    return f"{done.n_cells:,} cells, {share:.1%} without a population"


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """The file system's refusals inside the block, in words."""
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

"""Annotating files of new cells: all are checked first, then one after the other is written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.config.schema import PredictConfig
from scyan_exp.errors import InputError, OutputError
from scyan_exp.files import UNWRITABLE
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.h5ad import annotate_h5ad, h5ad_problems
from scyan_exp.run.annotating.ledger import Ledger, identity_of_file
from scyan_exp.run.annotating.models import identity_of, load_members, model_files, settings_of
from scyan_exp.run.annotating.overlap import Busy
from scyan_exp.run.annotating.partial import forget
from scyan_exp.run.annotating.plan import Job, plan
from scyan_exp.run.annotating.progress import Progress
from scyan_exp.run.annotating.whole import annotate_whole, whole_problems

log = logging.getLogger(__name__)

#: Changes when results of the same input and models change: a partial one is then begun again.
VERSION = 1


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
    compensation: str | bool = "auto",
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
        compensation: of FCS files: ``auto``, False, or the path of a CSV.

    Raises:
        InputError: everything that is wrong with models and files; nothing is written then.
    """
    jobs = plan(paths, Path(out), result)
    settings = settings_of(checkpoint) if settings is None else settings
    annotator = Annotator(load_members(checkpoint), settings)
    _check(jobs, annotator, compensation)
    models = identity_of(model_files(checkpoint))
    with _explained(Path(out)), Progress(jobs) as progress:
        Path(out).mkdir(parents=True, exist_ok=True)
        ledger = Ledger(Path(out))
        return [_one(job, annotator, compensation, models, ledger, progress) for job in jobs]


def _check(jobs: Sequence[Job], annotator: Annotator, compensation: str | bool) -> None:
    problems: list[str] = []
    for job in jobs:
        try:
            if _is_streamed(job):
                found = h5ad_problems(job.source, annotator)
            else:
                found = whole_problems(job.source, annotator, compensation)
            problems += [f"{job.source}: {one}" for one in found]
        except InputError as error:
            named = error.where or str(job.source)
            problems += [f"{named}: {one}" for one in error.problems]
    if problems:
        raise InputError(problems)


def _is_streamed(job: Job) -> bool:
    return job.kind == "h5ad" and job.result == "h5ad"


def _one(
    job: Job,
    annotator: Annotator,
    compensation: str | bool,
    models: str,
    ledger: Ledger,
    progress: Progress,
) -> Annotated:
    identity = _identity(job, annotator.settings, compensation, models)
    known = ledger.known(job.output, identity)
    if known is not None:
        log.info("%s: annotated already, %s", job.source.name, job.output)
        progress.skip(job)
        return Annotated(job.source, job.output, known["cells"], known["unannotated"])
    with _of(job):
        if _is_streamed(job):
            counts, busy = _stream(job, annotator, identity, progress)
        else:
            counts, busy = annotate_whole(job, annotator, compensation, _warner(job)), Busy()
            progress.skip(job)
    names = annotator.table.populations
    entry = {
        "input": str(job.source),
        "cells": sum(counts),
        "unannotated": counts[0],
        "populations": dict(zip(names, counts[1:], strict=True)),
    }
    ledger.add(job.output, identity, entry)
    done = Annotated(job.source, job.output, sum(counts), counts[0], busy)
    log.info("%s: %s", job.output, _said(done))
    return done


def _stream(
    job: Job, annotator: Annotator, identity: str, progress: Progress
) -> tuple[list[int], Busy]:
    try:
        partial, busy = annotate_h5ad(
            job.source, job.output, annotator, identity, _warner(job), progress.advance(job)
        )
    except InputError:
        forget(job.output)
        raise
    except KeyboardInterrupt:
        log.warning("%s: cut off; the same command goes on with it", job.source.name)
        raise
    return partial.counts, busy


def _warner(job: Job) -> Any:
    return lambda doubt: log.warning("%s: %s", job.source.name, doubt)


def _identity(job: Job, settings: PredictConfig, compensation: str | bool, models: str) -> str:
    parts: dict[str, Any] = {
        "version": VERSION,
        "models": models,
        "input": identity_of_file(job.source),
        "result": job.result,
        "predict": settings.model_dump(),
        "compensation": compensation,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _said(done: Annotated) -> str:
    share = done.n_unannotated / max(1, done.n_cells)
    return f"{done.n_cells:,} cells, {share:.1%} without a population"


@contextmanager
def _of(job: Job) -> Iterator[None]:
    """Errors inside the block are about a file."""
    try:
        yield
    except InputError as error:
        raise InputError(error.problems, where=error.where or str(job.source)) from error


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

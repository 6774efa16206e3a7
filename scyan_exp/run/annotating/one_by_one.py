"""Annotating files one after the other, each by only one process, with a line for each."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.errors import InputError, OutputError, listed
from scyan_exp.files import remove_leftovers
from scyan_exp.run.annotating.alone import alone_on
from scyan_exp.run.annotating.ledger import Ledger, identity_of_file
from scyan_exp.run.annotating.overlap import Busy
from scyan_exp.run.annotating.partial import forget, note_of
from scyan_exp.run.annotating.plan import Job
from scyan_exp.run.annotating.progress import Progress
from scyan_exp.run.annotating.ways import Task, Way

log = logging.getLogger(__name__)

#: Raise this when the same input and models give other results: then partial results start anew.
VERSION = 2


@dataclass(frozen=True)
class Annotated:
    """The result of one file.

    Attributes:
        source: the file.
        output: the result.
        n_cells: number of its cells.
        n_unannotated: number of cells without a population.
        busy: how the time was spent; None if the file had been annotated before.
    """

    source: Path
    output: Path
    n_cells: int
    n_unannotated: int
    busy: Busy | None = None


class OneByOne:
    """Annotates one file after the other; one that cannot be annotated does not stop the others.

    Args:
        ledger: what has been annotated already.
        models: identity of the models.
        progress: the bar.
    """

    def __init__(self, ledger: Ledger, models: str, progress: Progress) -> None:
        self._ledger, self._models, self._progress = ledger, models, progress
        self._done: list[Annotated] = []
        self._problems: list[str] = []

    def add(self, task: Task, way: Way) -> None:
        """Annotate a file, unless it is annotated already."""
        job, identity = task.job, identity_of_task(task, self._models)
        with alone_on(job.output):
            for path in (job.output, note_of(job.output)):
                remove_leftovers(path.parent, path.name)
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
            "input": str(job.source.absolute()),
            "cells": sum(counts),
            "unannotated": counts[0],
            "populations": dict(zip(names, counts[1:], strict=True)),
        }
        self._ledger.add(job.output, identity, entry)
        done = Annotated(job.source, job.output, sum(counts), counts[0], busy)
        log.info("%s: %s", job.output, _said(done))
        self._done.append(done)

    def finish(self, out: Path) -> list[Annotated]:
        """The results of all files.

        Raises:
            InputError: what was wrong with some files.
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


def identity_of_task(task: Task, models: str) -> str:
    """The identity of input, models and settings: with equal identities, results are equal."""
    compensation, correction = task.compensation, task.annotator.correction
    parts: dict[str, Any] = {
        "version": VERSION,
        "models": models,
        "input": task.seen or identity_of_file(task.job.source),
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

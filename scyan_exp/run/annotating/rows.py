"""Annotating rows: from a file of any format to CSV or Parquet, a block at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scyan_exp.data.cells_problems import no_column
from scyan_exp.data.distribution import MOST_CELLS
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.columns import CORRECTED, PROBA, earlier_columns
from scyan_exp.run.annotating.added import Added
from scyan_exp.run.annotating.covariates import covariate_problems
from scyan_exp.run.annotating.names import earlier_doubts, name_problems
from scyan_exp.run.annotating.overlap import Busy, overlapped
from scyan_exp.run.annotating.partial import Partial
from scyan_exp.run.annotating.row_reader import RowReader
from scyan_exp.run.annotating.row_sinks import SINKS
from scyan_exp.run.annotating.row_sources import (
    CsvRows,
    FrameRows,
    H5adRows,
    ParquetRows,
    RowSource,
)
from scyan_exp.run.annotating.ways import Advance, Task, Warn, marker_places
from scyan_exp.run.annotating.whole import compensation_doubt, read_task, table_columns

#: Number of results that may wait to be written.
N_WAITING = 4


@dataclass
class Scan:
    """What the first pass over all rows found.

    Attributes:
        n_cells: number of rows.
        sample: (S, M) expressions of some cells, evenly spaced.
    """

    n_cells: int
    sample: np.ndarray


class RowsToRows:
    """A file whose result is a CSV or Parquet file.

    The rows stay as they are and get further columns. All rows are read once before any is
    annotated, so problems in any of them are known before anything is written.

    Args:
        task: the file.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._scan = Scan(0, np.empty((0, 0)))
        self._doubt: str | None = None

    def problems(self) -> list[str]:
        """Everything that is wrong with the file, including its numbers."""
        with ExitStack() as stack:
            source = self._open(stack)
            task, columns = self._task, pd.Index(source.columns)
            named = [[name] for name in source.names if name not in task.annotator.covariates]
            places, problems = marker_places(task.annotator.markers, named)
            problems += [
                no_column(columns, key, "covariate") for key in task.lacking(source.columns)
            ]
            index, numbers, earlier = "", [named[i][0] for i in places.values()], None
            if isinstance(source, H5adRows):
                index, numbers, earlier = source.index, source.names, source.key
            own = [name for name in source.columns if name != index]
            problems += name_problems(task, own, earlier=earlier, index=index, numbers=numbers)
            return problems or self._scanned(source)

    def _open(self, stack: ExitStack) -> RowSource:
        task = self._task
        if task.job.kind == "csv" and task.job.result == "csv":
            return CsvRows(task.job.source)
        if task.job.kind == "parquet":
            return ParquetRows(task.job.source)
        if task.job.kind == "h5ad":
            return H5adRows(stack.enter_context(H5adBlocks(task.job.source, task.annotator.layer)))
        adata = read_task(task)  # only all rows of a CSV show which columns are numbers
        if self._scan.n_cells:  # the first pass has checked it
            self._doubt = compensation_doubt(task, adata)
        numbers = pd.DataFrame(np.asarray(adata.X), columns=list(adata.var_names))
        numbers = numbers.drop(columns=[name for name in numbers if name in task.known])
        return FrameRows(pd.concat([adata.obs.reset_index(drop=True), numbers], axis=1))

    def _scanned(self, source: RowSource) -> list[str]:
        reader = RowReader(source, self._task)
        n_cells, bad, covariates = 0, [], []
        samples: list[np.ndarray] = []
        n_not_finite = np.zeros(len(self._task.annotator.markers), int)
        for frame in source.frames(reader.needed):
            raw, wrong = reader.numbers(frame, n_cells)
            bad += wrong
            n_not_finite += (~np.isfinite(raw)).sum(axis=0)
            samples.append(raw[:: max(1, len(raw) // (1000 if samples else MOST_CELLS))])
            covariates.append(reader.covariates(frame).drop_duplicates())
            n_cells += len(frame)
        if bad:
            return bad[:20]
        if not n_cells:
            return ["it holds no cells"]
        problems = [
            f"marker {name!r} has {n} NaN or infinite expressions in {n_cells} cells: remove these "
            "cells or impute them"
            for name, n in zip(self._task.annotator.markers, n_not_finite, strict=True)
            if n
        ]
        sample = np.concatenate(samples)
        self._scan = Scan(n_cells, sample[:: max(1, len(sample) // MOST_CELLS)])
        return problems + covariate_problems(self._task.annotator, covariates)

    def annotate(self, identity: str, warn: Warn, advance: Advance) -> tuple[list[int], Busy]:
        """Write the result, or go on with a CSV that was cut off."""
        job, annotator = self._task.job, self._task.annotator
        for doubt in annotator.doubts(self._scan.sample):
            warn(doubt)
        n_cells = self._scan.n_cells
        partial = Partial.read(job.output, identity) or Partial(identity)
        with ExitStack() as stack:
            source = self._open(stack)
            if self._doubt is not None:
                warn(self._doubt)
            key = annotator.settings.key_added
            columns, members = table_columns(self._task), list[str]()
            if isinstance(source, H5adRows):
                columns, members = source.columns, source.members
            gone = earlier_columns(source.columns, key, members)
            for doubt in earlier_doubts(columns, key, members):
                warn(doubt)
            sink = SINKS[job.result](job.output, partial)
            stack.callback(sink.close)
            done = sink.partial.done
            advance(done / n_cells)
            reader = RowReader(source, self._task)
            frames = stack.enter_context(closing(_numbered(source, done)))

            def compute(part: tuple[int, pd.DataFrame]) -> tuple[int, pd.DataFrame, np.ndarray]:
                start, frame = part
                advance(len(frame) / n_cells)
                kept = frame.drop(columns=gone)
                return start, *self._annotated(frame, kept, reader)

            busy = overlapped(frames, compute, lambda part: sink.write(*part), N_WAITING)
            self._task.check_unchanged()
            sink.finish(n_cells)
            return sink.partial.counts, busy

    def _annotated(
        self, frame: pd.DataFrame, kept: pd.DataFrame, reader: RowReader
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Rows with what is added to them, and the number of cells in each population.

        Args:
            frame: the rows.
            kept: the columns that stay.
            reader: takes from the rows what the models need.
        """
        annotator = self._task.annotator
        raw, _ = reader.numbers(frame)
        covariates = reader.covariates(frame)
        annotation = annotator.annotation(raw, covariates)
        added = Added.of(annotation, covariates[list(self._task.known)])
        corrected = annotator.corrected(raw, covariates)
        return _beside(kept, added, annotation, corrected), added.counts


def _beside(
    frame: pd.DataFrame, added: Added, annotation: Annotation, corrected: np.ndarray | None
) -> pd.DataFrame:
    """Rows with further columns."""
    columns = {str(name): column.array for name, column in added.obs.items()}
    proba = added.obsm.get(PROBA)
    if proba is not None:
        names = annotation.table.populations
        columns |= {f"{PROBA}_{name}": proba[:, i] for i, name in enumerate(names)}
    if corrected is not None:
        names = annotation.table.markers
        columns |= {f"{CORRECTED}_{name}": corrected[:, i] for i, name in enumerate(names)}
    kept = frame.drop(columns=[name for name in frame if name in columns])
    return pd.concat([kept, pd.DataFrame(columns, index=kept.index)], axis=1)


def _numbered(source: RowSource, start: int) -> Generator[tuple[int, pd.DataFrame], None, None]:
    """Blocks of rows from ``start`` on, of any length, each with the number of its first row."""
    for frame in source.frames(None, start):
        yield start, frame
        start += len(frame)

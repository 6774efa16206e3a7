"""Annotating an ``.h5ad`` file of any size, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.data.cells_problems import no_column
from scyan_exp.data.distribution import MOST_CELLS
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.data.layers import no_x
from scyan_exp.results.chunks import CHUNK_SIZE
from scyan_exp.results.columns import CORRECTED, key_of, members_in
from scyan_exp.run.annotating.added import Added
from scyan_exp.run.annotating.covariates import covariate_problems
from scyan_exp.run.annotating.filling import H5adFilling
from scyan_exp.run.annotating.names import earlier_doubts, name_problems
from scyan_exp.run.annotating.overlap import Busy, overlapped
from scyan_exp.run.annotating.partial import Partial
from scyan_exp.run.annotating.ways import Advance, Task, Warn, marker_places

#: The first cell, and the one after the last.
Span = tuple[int, int]
#: Bytes of a block in memory, and of all blocks that wait to be written.
BLOCK_BYTES, WAITING_BYTES = 8 * 2**20, 512 * 2**20
#: Number of pieces of the sample that is compared with the training cells.
N_PIECES = 100


@dataclass(frozen=True)
class Block:
    """Some cells of a file.

    Attributes:
        raw: (B, M) expressions of the model's markers.
        obs: the columns of the covariates.
        rows: the rows of X as they are stored.
    """

    raw: np.ndarray
    obs: pd.DataFrame
    rows: Any


class H5adToH5ad:
    """Copies an ``.h5ad`` file with its annotation, in constant memory.

    Args:
        task: the file.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    def problems(self) -> list[str]:
        """Everything that is wrong with the file, judged by names and covariates."""
        task, annotator = self._task, self._task.annotator
        with H5adBlocks(task.job.source, annotator.layer) as cells:
            _, problems = marker_places(annotator.markers, [[name] for name in cells.names])
            columns = pd.Index(cells.columns)
            problems += [
                no_column(columns, key, "covariate") for key in task.lacking(cells.columns)
            ]
            earlier = key_of(cells.file)
            problems += name_problems(task, cells.columns, earlier=earlier, index=cells.index)
            if not cells.has_expressions:
                problems.append(no_x([]))
            if not cells.n_cells:
                problems.append("it holds no cells")
            if not problems:
                steps = H5adSteps(cells, task)
                spans = _spans(0, cells.n_cells, 2**20)
                problems += covariate_problems(annotator, map(steps.covariates, spans))
            return problems

    def annotate(self, identity: str, warn: Warn, advance: Advance) -> tuple[list[int], Busy]:
        """Write the result, or go on with one that was cut off."""
        job = self._task.job
        with H5adBlocks(job.source, self._task.annotator.layer) as cells:
            steps = H5adSteps(cells, self._task)
            key, members = self._task.annotator.settings.key_added, members_in(cells.file)
            doubts = earlier_doubts(cells.columns, key, members)
            for doubt in [*doubts, *self._task.annotator.doubts(steps.sample())]:
                warn(doubt)
            partial = Partial.read(job.output, identity) or Partial(identity)
            advance(partial.done / cells.n_cells)

            def compute(part: tuple[Span, Block]) -> tuple[int, Added]:
                (start, stop), block = part
                added = steps.compute(block)
                advance((stop - start) / cells.n_cells)
                return start, added

            with H5adFilling(
                job.source, job.output, cells.n_cells, cells.x_range, partial
            ) as filling:
                busy = overlapped(
                    ((span, steps.read(span)) for span in steps.spans(partial.done)),
                    compute,
                    lambda part: filling.write(*part),
                    steps.n_waiting,
                )
                self._task.check_unchanged()
                return filling.finish().counts, busy


class H5adSteps:
    """Reading and annotating a file, block by block.

    Args:
        cells: the file.
        task: what is done with it.
    """

    def __init__(self, cells: H5adBlocks, task: Task) -> None:
        self._cells, self._task = cells, task
        self._columns = [key for key in task.annotator.covariates if key not in task.known]
        markers = task.annotator.markers
        places, _ = marker_places(markers, [[name] for name in cells.names])
        self._places = [places[marker] for marker in markers]
        in_memory = cells.row_bytes + 8 * len(markers)
        self._size = max(1, int(BLOCK_BYTES / in_memory) // CHUNK_SIZE) * CHUNK_SIZE
        self.n_waiting = max(2, int(WAITING_BYTES / in_memory) // self._size)

    def spans(self, start: int = 0) -> Iterator[Span]:
        """The blocks from a cell on, each with its first cell and the one after its last."""
        return _spans(start, self._cells.n_cells, self._size)

    def read(self, span: Span) -> Block:
        """Read a block."""
        rows = self._cells.rows(*span)
        return Block(self._raw(rows), self.covariates(span), rows)

    def covariates(self, span: Span) -> pd.DataFrame:
        """The covariates of a block, with what else is known about the file."""
        return self._task.with_known(self._cells.obs(*span, self._columns))

    def compute(self, block: Block) -> Added:
        """Annotate a block."""
        annotation = self._task.annotator.annotation(block.raw, block.obs)
        return Added.of(
            annotation,
            block.obs[list(self._task.known)],
            layers=self._layers(block),
            rows=block.rows if self._cells.x_range else None,
        )

    def _layers(self, block: Block) -> dict[str, np.ndarray]:
        """Corrected expressions; columns that are not markers of the model stay as they are."""
        corrected = self._task.annotator.corrected(block.raw, block.obs)
        if corrected is None:
            return {}
        layer = _dense(block.rows).astype(np.float32)
        layer[:, self._places] = corrected
        return {CORRECTED: layer}

    def sample(self) -> np.ndarray:
        """Expressions of some cells, in pieces that are spread evenly over the file."""
        n_cells, size = self._cells.n_cells, MOST_CELLS // N_PIECES
        if n_cells <= 2 * MOST_CELLS:
            return self._raw(self._cells.rows(0, n_cells))
        starts = np.linspace(0, n_cells - size, N_PIECES).astype(int).tolist()
        pieces = [self._raw(self._cells.rows(start, start + size)) for start in starts]
        return np.concatenate(pieces)

    def _raw(self, rows: Any) -> np.ndarray:
        return np.asarray(_dense(rows[:, self._places]), np.float32)


def _dense(rows: Any) -> Any:
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def _spans(start: int, n_cells: int, size: int) -> Iterator[Span]:
    for first in range(start, n_cells, size):
        yield first, min(first + size, n_cells)

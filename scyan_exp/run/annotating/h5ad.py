"""Annotating an ``.h5ad`` file of any size, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.data.cells_problems import new_cells_problems
from scyan_exp.data.distribution import MOST_CELLS
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.results.chunks import CHUNK_SIZE
from scyan_exp.run.annotating.added import Added
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.covariates import covariate_problems
from scyan_exp.run.annotating.filling import H5adFilling
from scyan_exp.run.annotating.overlap import Busy, Span, overlapped
from scyan_exp.run.annotating.partial import Partial

#: Bytes of a block in memory, and of all blocks that wait to be written.
BLOCK_BYTES, WAITING_BYTES = 16 * 2**20, 512 * 2**20
#: Pieces of the sample that is compared with the training cells.
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


def h5ad_problems(path: Path, annotator: Annotator) -> list[str]:
    """Everything that is wrong with a file, as far as names and covariates tell."""
    with H5adBlocks(path) as cells:
        problems = new_cells_problems(
            pd.Index(cells.names), pd.Index(cells.columns), annotator.markers, annotator.covariates
        )
        if not cells.has_expressions:
            problems.append("the cells have no expressions: X is not there")
        if not cells.n_cells:
            problems.append("there are no cells in it")
        if not problems:
            spans = _spans(0, cells.n_cells, 2**20)
            blocks = (cells.obs(*span, annotator.covariates) for span in spans)
            problems += covariate_problems(annotator, blocks)
        return problems


def annotate_h5ad(
    path: Path,
    output: Path,
    annotator: Annotator,
    identity: str,
    warn: Callable[[str], object],
    advance: Callable[[float], object],
) -> tuple[Partial, Busy]:
    """Write a copy of a file with its annotation, or go on with one that was cut off.

    Args:
        path: the file; checked by :func:`h5ad_problems`.
        output: where the result goes.
        annotator: the models.
        identity: of input, models and settings: of what a partial result must be to be continued.
        warn: takes what is doubtful about the cells.
        advance: takes the share of the cells that has just been annotated.

    Raises:
        InputError: an expression is not finite; nothing is left of the output.
    """
    with H5adBlocks(path) as cells:
        steps = H5adSteps(cells, annotator)
        for doubt in annotator.doubts(steps.sample()):
            warn(doubt)
        partial = Partial.read(output, identity) or Partial(identity)
        advance(partial.done / cells.n_cells)

        def compute(span: Span, block: Block) -> Added:
            added = steps.compute(block)
            advance((span[1] - span[0]) / cells.n_cells)
            return added

        with H5adFilling(path, output, cells.n_cells, cells.x_range, partial) as filling:
            busy = overlapped(
                steps.spans(partial.done),
                steps.read,
                compute,
                lambda span, added: filling.write(span[0], added),
                steps.n_waiting,
            )
            return filling.finish(), busy


class H5adSteps:
    """Reading and annotating a file, block by block.

    Args:
        cells: the file.
        annotator: the models.
    """

    def __init__(self, cells: H5adBlocks, annotator: Annotator) -> None:
        self._cells, self._annotator = cells, annotator
        self._covariates = annotator.covariates
        self._columns = pd.Index(cells.names).get_indexer(pd.Index(annotator.markers))
        in_memory = cells.row_bytes + 8 * len(annotator.markers)
        self._size = max(1, int(BLOCK_BYTES / in_memory) // CHUNK_SIZE) * CHUNK_SIZE
        self.n_waiting = max(2, int(WAITING_BYTES / in_memory) // self._size)

    def spans(self, start: int = 0) -> Iterator[Span]:
        """The blocks from a cell on: the first cell of each, and the one after its last."""
        return _spans(start, self._cells.n_cells, self._size)

    def read(self, span: Span) -> Block:
        """Read a block."""
        rows = self._cells.rows(*span)
        return Block(self._raw(rows), self._cells.obs(*span, self._covariates), rows)

    def compute(self, block: Block) -> Added:
        """Annotate a block."""
        annotation = self._annotator.annotation(block.raw, block.obs)
        return Added.of(annotation, rows=block.rows if self._cells.x_range else None)

    def sample(self) -> np.ndarray:
        """Expressions of some cells, in pieces that are evenly spaced over the file."""
        n_cells, size = self._cells.n_cells, MOST_CELLS // N_PIECES
        if n_cells <= 2 * MOST_CELLS:
            return self._raw(self._cells.rows(0, n_cells))
        starts = np.linspace(0, n_cells - size, N_PIECES).astype(int).tolist()
        pieces = [self._raw(self._cells.rows(start, start + size)) for start in starts]
        return np.concatenate(pieces)

    def _raw(self, rows: Any) -> np.ndarray:
        chosen = rows[:, self._columns]
        dense = chosen if isinstance(chosen, np.ndarray) else chosen.toarray()
        return np.asarray(dense, np.float32)


def _spans(start: int, n_cells: int, size: int) -> Iterator[Span]:
    for first in range(start, n_cells, size):
        yield first, min(first + size, n_cells)

"""Files written by blocks of rows: CSV, which can go on after it was cut off, and Parquet."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from scyan_exp.data.tabular import import_parquet
from scyan_exp.errors import InputError
from scyan_exp.run.annotating.filling import EVERY
from scyan_exp.run.annotating.partial import Partial, file_of, finish, note_of

#: Number of cells of each population.
Counts = Sequence[int] | np.ndarray


class RowSink(Protocol):
    """A file that grows by rows; it may be closed at any time.

    Attributes:
        partial: how far it is.
    """

    partial: Partial

    def write(self, start: int, frame: pd.DataFrame, counts: Counts) -> None:
        """Append the rows of the cells from ``start`` on; blocks must come in order.

        Raises:
            RuntimeError: another block should come first.
        """

    def finish(self, n_cells: int) -> None:
        """Make it the result.

        Raises:
            RuntimeError: some cells were not written, or not counted.
        """

    def close(self) -> None:
        """Close it as it is."""


class CsvSink:
    """A CSV.

    Args:
        output: the result.
        partial: how far an earlier start came; nothing is done of a new file.
    """

    def __init__(self, output: Path, partial: Partial) -> None:
        self._output, self.partial = output, partial
        if not partial.done:
            note_of(output).unlink(missing_ok=True)
            file_of(output).touch()
        self._file = file_of(output).open("r+", encoding="utf-8", newline="")
        self._file.truncate(partial.size)
        self._file.seek(0, os.SEEK_END)
        self._noted = time.monotonic()

    def write(self, start: int, frame: pd.DataFrame, counts: Counts) -> None:
        """Append rows, and note now and then how far the file is."""
        after = self.partial.after(start, len(frame), counts)
        frame.to_csv(self._file, index=False, header=not self.partial.done, lineterminator="\n")
        self.partial = after
        if time.monotonic() > self._noted + EVERY:
            self._file.flush()
            os.fsync(self._file.fileno())
            self.partial = replace(after, size=self._file.tell())
            self.partial.write(self._output)
            self._noted = time.monotonic()

    def finish(self, n_cells: int) -> None:
        """Make it the result."""
        _finish(self, self._file, self._output, n_cells)

    def close(self) -> None:
        """Close it as it is."""
        _close(self._file)


class ParquetSink:
    """A Parquet file. Its end says what is in it, so one that was cut off starts anew.

    The first rows decide the types, which must not depend on values: a column of text that is empty
    in these rows is text nevertheless.

    Args:
        output: the result.
        partial: the identity of the result.
    """

    def __init__(self, output: Path, partial: Partial) -> None:
        self._output, self.partial = output, Partial(partial.identity)
        self._parquet = import_parquet(output)
        note_of(output).unlink(missing_ok=True)
        self._file = file_of(output).open("wb")
        self._writer: Any = None

    def write(self, start: int, frame: pd.DataFrame, counts: Counts) -> None:
        """Append rows as a group.

        Raises:
            InputError: Parquet cannot hold a value.
        """
        import pyarrow  # type: ignore[import-untyped]

        after = self.partial.after(start, len(frame), counts)
        text = {name: "string" for name in frame if frame[name].dtype == object}
        schema = None if self._writer is None else self._writer.schema
        try:
            table = pyarrow.Table.from_pandas(
                frame.astype(text), schema=schema, preserve_index=False
            )
            if self._writer is None:
                self._writer = self._parquet.ParquetWriter(self._file, table.schema)
            self._writer.write_table(table)
        except pyarrow.ArrowException as error:
            reason = "; ".join(map(str, error.args))
            raise InputError(
                f"cannot become a Parquet file ({reason}): choose another format=..."
            ) from error
        self.partial = after

    def finish(self, n_cells: int) -> None:
        """Make it the result."""
        self._writer.close()
        _finish(self, self._file, self._output, n_cells)

    def close(self) -> None:
        """Close it as it is."""
        if self._writer is not None:
            _close(self._writer)
        _close(self._file)


SINKS: dict[str, type[CsvSink] | type[ParquetSink]] = {"csv": CsvSink, "parquet": ParquetSink}


def _finish(sink: RowSink, file: Any, output: Path, n_cells: int) -> None:
    sink.partial.check_whole(n_cells)
    file.flush()
    os.fsync(file.fileno())
    file.close()
    finish(output)


def _close(file: Any) -> None:
    """Close a file that may have failed already: only what was noted counts."""
    with suppress(OSError, ValueError):
        file.close()

"""Rows written some at a time: CSV, which goes on where it was cut off, and Parquet."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from scyan_exp.data.tabular import import_parquet
from scyan_exp.run.annotating.filling import EVERY
from scyan_exp.run.annotating.partial import Partial, file_of, forget, note_of


class RowSink(Protocol):
    """A file that grows by rows; :meth:`close` may follow at any time.

    Attributes:
        partial: how far it is.
    """

    partial: Partial

    def write(self, frame: pd.DataFrame, partial: Partial) -> None:
        """Append rows; ``partial`` says how far it is then."""

    def finish(self) -> None:
        """Make it the result."""

    def close(self) -> None:
        """Leave it as it is."""


class CsvSink:
    """A CSV.

    Args:
        output: the result.
        partial: how far it is; nothing for a new one.
    """

    def __init__(self, output: Path, partial: Partial) -> None:
        self._output, self.partial = output, partial
        if not partial.done:
            forget(output)
            file_of(output).touch()
        self._file = file_of(output).open("r+", encoding="utf-8", newline="")
        self._file.truncate(partial.places.get("bytes", 0))
        self._file.seek(0, os.SEEK_END)
        self._noted = time.monotonic()

    def write(self, frame: pd.DataFrame, partial: Partial) -> None:
        """Append rows, and now and then note how far it is."""
        frame.to_csv(self._file, index=False, header=not self.partial.done, lineterminator="\n")
        self.partial = partial
        if time.monotonic() > self._noted + EVERY:
            self._file.flush()
            os.fsync(self._file.fileno())
            self.partial.places["bytes"] = self._file.tell()
            self.partial.write(self._output)
            self._noted = time.monotonic()

    def finish(self) -> None:
        """Make it the result."""
        _finish(self._file, self._output)

    def close(self) -> None:
        """Leave it as it is."""
        self._file.close()


class ParquetSink:
    """A Parquet file: its end says what is in it, so a cut-off one begins again.

    Args:
        output: the result.
        partial: of what it is.
    """

    def __init__(self, output: Path, partial: Partial) -> None:
        self._output, self.partial = output, Partial(partial.identity)
        self._parquet = import_parquet(output)
        forget(output)
        self._file = file_of(output).open("wb")
        self._writer: Any = None

    def write(self, frame: pd.DataFrame, partial: Partial) -> None:
        """Append a group of rows."""
        import pyarrow  # type: ignore[import-untyped]

        schema = None if self._writer is None else self._writer.schema
        table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)
        self.partial = partial

    def finish(self) -> None:
        """Make it the result."""
        self._writer.close()
        _finish(self._file, self._output)

    def close(self) -> None:
        """Leave it as it is."""
        self._file.close()


SINKS: dict[str, type[CsvSink] | type[ParquetSink]] = {"csv": CsvSink, "parquet": ParquetSink}


def _finish(file: Any, output: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    file_of(output).replace(output)
    note_of(output).unlink(missing_ok=True)

"""Files read by blocks of rows: CSV, Parquet and ``.h5ad``, and tables in memory."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from scyan_exp.data.file_kinds import csv_files, parquet_files
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.data.tabular import import_parquet
from scyan_exp.errors import InputError
from scyan_exp.results.columns import key_of, members_in

#: Rows read at a time; a multiple of the number that is predicted at a time.
ROWS = 16_384


class RowSource(Protocol):
    """A file as rows.

    Attributes:
        names: names of the columns of numbers, as far as these are known.
        columns: names of all columns.
    """

    names: list[str]
    columns: list[str]

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Rows from ``start`` on, :data:`ROWS` at a time: some columns, or all of them.

        Raises:
            InputError: they cannot be read.
        """


class CsvRows:
    """A CSV, whose texts stay as they are.

    Raises:
        InputError: it is not a CSV, or two columns have the same name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = self.names = [names[0] for names in csv_files([]).peek(path).columns]
        _check_repeated(self.columns, path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            self._separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            self._header = next(csv.reader(file, delimiter=self._separator))

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Rows as text."""
        try:
            with pd.read_csv(
                self._path,
                sep=self._separator,
                encoding="utf-8-sig",
                dtype=str,
                na_filter=False,
                index_col=False,
                chunksize=ROWS,
            ) as rows:
                # Lines must be read to be skipped, as some are empty and some rows take several.
                for first in range(0, start, ROWS):
                    rows.get_chunk(min(ROWS, start - first))
                while True:
                    frame = next(rows, None) if columns is None else _checked(rows)
                    if frame is None:
                        return
                    frame.columns = self._header
                    yield frame if columns is None else frame[list(columns)]
        except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
            reason = f"not a CSV of cells ({str(error).strip()})"
            raise InputError(reason, where=str(self._path)) from error


def _check_repeated(columns: Sequence[str], path: Path) -> None:
    repeated = [
        f"column {name!r} occurs {n} times: rename or drop all but one"
        for name, n in Counter(columns).items()
        if n > 1
    ]
    if repeated:
        raise InputError(repeated, where=str(path))


def _checked(rows: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    """The next rows; the warning about rows that are longer than the header is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(rows, None)


class ParquetRows:
    """A Parquet file.

    Raises:
        InputError: it is not a Parquet file.
    """

    def __init__(self, path: Path) -> None:
        self.columns = [names[0] for names in parquet_files([]).peek(path).columns]
        _check_repeated(self.columns, path)
        self._path, self._file = path, import_parquet(path).ParquetFile(str(path))
        self.names = [
            field.name
            for field in self._file.schema_arrow
            if np.issubdtype(_numpy_type(field.type), np.number)
        ]

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Rows with the file's own types."""
        chosen = None if columns is None else list(columns)
        batches = self._file.iter_batches(ROWS, columns=chosen, use_threads=False)
        skipped = 0
        try:
            for batch in batches:
                first = min(max(0, start - skipped), batch.num_rows)
                skipped += batch.num_rows
                if first < batch.num_rows:
                    yield batch.slice(first).to_pandas(types_mapper=pd.ArrowDtype)
        except OSError as error:
            reason = f"not a Parquet file that pyarrow can read ({error})"
            raise InputError(reason, where=str(self._path)) from error


def _numpy_type(kind: Any) -> Any:
    try:
        return kind.to_pandas_dtype()
    except NotImplementedError:  # such as lists
        return object


class H5adRows:
    """``obs`` of an ``.h5ad`` file, with the cells' names before it and X after it.

    Args:
        cells: the file.

    Attributes:
        key: the column with the populations of an earlier annotation.
        members: the names of that annotation's members, if it was a consensus.

    Raises:
        InputError: a name occurs twice.
    """

    def __init__(self, cells: H5adBlocks) -> None:
        self._cells, self.names = cells, list(cells.names)
        own = [*cells.columns, *self.names]
        _check_repeated(own, cells.path)
        #: The name of the column with the cells' names.
        self.index = next(name for name in (f"{'_' * n}cell" for n in count()) if name not in own)
        self.columns = [self.index, *own]
        self.key, self.members = key_of(cells.file), members_in(cells.file)

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Rows with numbers as they are stored, and with categories."""
        chosen = self.columns if columns is None else list(columns)
        own = [name for name in chosen if name in self._cells.columns]
        places = {name: i for i, name in enumerate(self.names) if name in set(chosen)}
        for first in range(start, self._cells.n_cells, ROWS):
            last = min(first + ROWS, self._cells.n_cells)
            frame = self._cells.obs(first, last, own)
            if self.index in chosen:
                frame.insert(0, self.index, self._cells.cell_names(first, last))
            rows = self._cells.rows(first, last)[:, list(places.values())]
            dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
            yield pd.concat([frame, pd.DataFrame(dense, columns=list(places))], axis=1)[chosen]


class FrameRows:
    """Rows in memory."""

    def __init__(self, frame: pd.DataFrame) -> None:
        # The type of a column must not depend on which rows are seen.
        objects = {name: column for name, column in frame.items() if column.dtype == object}
        kinds = {
            name: "boolean" if infer_dtype(column, skipna=True) == "boolean" else "string"
            for name, column in objects.items()
        }
        self._frame = frame.astype(kinds)
        self.columns = self.names = list(map(str, frame.columns))

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Slices of the table."""
        chosen = self._frame if columns is None else self._frame[list(columns)]
        for first in range(start, len(chosen), ROWS):
            yield chosen.iloc[first : first + ROWS].reset_index(drop=True)

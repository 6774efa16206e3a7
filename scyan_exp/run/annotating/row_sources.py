"""Files as rows, some at a time: CSV, Parquet, ``.h5ad``, and what is in memory."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from scyan_exp.data.file_kinds import csv_files, parquet_files
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.data.tabular import import_parquet
from scyan_exp.errors import InputError

#: Rows that are read at a time; a multiple of what is predicted at a time.
ROWS = 16_384


class RowSource(Protocol):
    """A file as rows.

    Attributes:
        names: of the columns of numbers, as far as that is known.
        columns: of all columns.
    """

    names: list[str]
    columns: list[str]

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Rows from ``start`` on, :data:`ROWS` at a time; with some columns, or all as they stand.

        Raises:
            InputError: they cannot be read.
        """


class CsvRows:
    """A CSV; its texts stay as they stand.

    Raises:
        InputError: it is none, or has columns of one name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = self.names = [names[0] for names in csv_files([]).peek(path).columns]
        repeated = [
            f"column {name!r} stands {n} times: rename or drop all but one"
            for name, n in Counter(self.columns).items()
            if n > 1
        ]
        if repeated:
            raise InputError(repeated, where=str(path))
        with path.open(encoding="utf-8-sig") as file:
            self._separator = max(",;\t", key=file.readline().count)

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """As text."""
        try:
            with pd.read_csv(
                self._path,
                sep=self._separator,
                encoding="utf-8-sig",
                dtype=str,
                na_filter=False,
                index_col=False,
                skiprows=range(1, start + 1),
                chunksize=ROWS,
            ) as rows:
                while True:
                    frame = next(rows, None) if columns is None else _checked(rows)
                    if frame is None:
                        return
                    yield frame if columns is None else frame[list(columns)]
        except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
            reason = f"not a CSV of cells ({str(error).strip()})"
            raise InputError(reason, where=str(self._path)) from error


def _checked(rows: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    """The next rows; a warning is an error where some are longer than the header."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(rows, None)


class ParquetRows:
    """A Parquet file.

    Raises:
        InputError: it is none.
    """

    def __init__(self, path: Path) -> None:
        self.columns = [names[0] for names in parquet_files([]).peek(path).columns]
        self._path, self._file = path, import_parquet(path).ParquetFile(str(path))
        self.names = [
            field.name
            for field in self._file.schema_arrow
            if np.issubdtype(_numpy_type(field.type), np.number)
        ]

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """With the file's own types."""
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
    """``obs`` of an ``.h5ad`` file with some columns of X.

    Args:
        cells: the file.
        markers: the columns of X.
        index: what the column with the cells' names is called.
    """

    def __init__(self, cells: H5adBlocks, markers: Sequence[str], index: str = "cell") -> None:
        self._cells, self._markers, self._index = cells, list(markers), index
        self.names = list(cells.names)
        own = [name for name in cells.columns if name not in self._markers]
        self.columns = [*([index] if index not in own else []), *own, *self._markers]

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Numbers as float32, categories as such."""
        chosen = self.columns if columns is None else list(columns)
        own = [name for name in chosen if name in self._cells.columns and name not in self._markers]
        places = {name: self.names.index(name) for name in self._markers if name in chosen}
        for first in range(start, self._cells.n_cells, ROWS):
            last = min(first + ROWS, self._cells.n_cells)
            frame = self._cells.obs(first, last, own)
            if self._index in chosen and self._index not in own:
                frame.insert(0, self._index, self._cells.cell_names(first, last))
            rows = self._cells.rows(first, last)[:, list(places.values())]
            dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
            yield pd.concat([frame, pd.DataFrame(dense, columns=list(places))], axis=1)[chosen]


class FrameRows:
    """Rows in memory."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self.columns = self.names = list(map(str, frame.columns))

    def frames(
        self, columns: Sequence[str] | None = None, start: int = 0
    ) -> Generator[pd.DataFrame, None, None]:
        """Slices."""
        chosen = self._frame if columns is None else self._frame[list(columns)]
        for first in range(start, len(chosen), ROWS):
            yield chosen.iloc[first : first + ROWS].reset_index(drop=True)

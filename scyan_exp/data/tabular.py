"""Cells of one CSV or Parquet file: a row per cell, a column per marker."""

from __future__ import annotations

import csv
import importlib
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.data.sources import existing_file
from scyan_exp.errors import InputError, listed

if TYPE_CHECKING:
    from anndata import AnnData


def read_csv(path: str | Path, obs_columns: Sequence[str] = ()) -> AnnData:
    """Read a CSV with a row per cell; columns of text, and ``obs_columns``, go to ``obs``.

    Raises:
        InputError: there is no such file, or it has no rows or no columns of numbers.
    """
    path = existing_file(path, "a CSV file of cells")
    try:
        with path.open(encoding="utf-8-sig") as file:
            separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            header = next(csv.reader(file, delimiter=separator), [])
        with warnings.catch_warnings():
            # A row longer than the header would shift the names by a column, with no more than a
            # warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=separator, encoding="utf-8-sig", low_memory=False, index_col=False
            )
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise InputError(f"not a CSV of cells ({str(error).strip()})", where=str(path)) from error
    repeated = [
        f"column {name!r} occurs {n} times: rename or drop all but one"
        for name, n in Counter(name for name in header if name).items()
        if n > 1
    ]
    return _cells_of(frame, obs_columns, path, repeated)


def read_parquet(path: str | Path, obs_columns: Sequence[str] = ()) -> AnnData:
    """Read a Parquet file as :func:`read_csv` reads a CSV.

    Raises:
        InputError: there is no such file, it is no Parquet, or pyarrow is not installed.
    """
    path = existing_file(path, "a .parquet file of cells")
    parquet = import_parquet(path)
    try:
        table = parquet.read_table(str(path), use_threads=False, partitioning=None)
        repeated = [
            f"column {name!r} occurs {n} times: rename or drop all but one"
            for name, n in Counter(table.column_names).items()
            if n > 1
        ]
        nested = [f"column {f.name!r} holds lists" for f in table.schema if f.type.num_fields]
        frame = table.to_pandas() if not repeated else pd.DataFrame(columns=table.column_names)
    except Exception as error:  # pyarrow's errors have no common base
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"not a Parquet file that pyarrow can read ({reason[0]})", where=str(path)
        ) from error
    if repeated or nested:
        raise InputError([*repeated, *nested], where=str(path))
    frame = frame.reset_index(drop=frame.index.name is None)
    return _cells_of(frame, obs_columns, path, [])


def csv_header(path: Path) -> list[str]:
    """The names of the columns of a CSV.

    Raises:
        InputError: it is no CSV.
    """
    try:
        with path.open(encoding="utf-8-sig") as text:
            line = text.readline()
        return next(csv.reader([line], delimiter=max(",;\t", key=line.count)), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a CSV of cells ({error})", where=str(path)) from None


def parquet_head(path: Path) -> tuple[int, list[str]]:
    """The number of rows of a Parquet file, and the names of its columns.

    Raises:
        InputError: there is no such file, it is no Parquet, or pyarrow is not installed.
    """
    existing_file(path, "a .parquet file of cells")
    parquet = import_parquet(path)
    try:
        about = parquet.ParquetFile(str(path))
        return about.metadata.num_rows, list(about.schema_arrow.names)
    except Exception as error:  # pyarrow's errors have no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"not a Parquet file that pyarrow can read ({reason})", where=str(path)
        ) from error


def import_parquet(path: Path) -> Any:
    """``pyarrow.parquet``.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("pyarrow.parquet")  # which has no types
    except ImportError as error:
        raise InputError(
            f"reading Parquet needs pyarrow ({error}): pip install 'scyan_exp[parquet]'",
            where=str(path),
        ) from error


def _cells_of(
    frame: pd.DataFrame, obs_columns: Sequence[str], path: Path, problems: list[str]
) -> AnnData:
    """Columns of numbers go to X, the others to ``obs``."""
    import anndata

    text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    obs_names = [name for name in frame if name in {*text, *obs_columns}]
    markers = [name for name in frame if name not in obs_names]
    unasked = [name for name in text if name not in obs_columns]
    problems = [*problems, *(p for name in unasked for p in _stray_text(frame[name]))]
    if not len(frame) or not markers:
        problems.append(
            f"found {len(frame)} rows and {len(markers)} columns of numbers; expected one row "
            "per cell and one column per marker"
        )
    if problems:
        raise InputError(problems, where=str(path))
    obs = frame[obs_names].set_axis(frame.index.astype(str))
    return anndata.AnnData(
        frame[markers].to_numpy(np.float32), obs=obs, var=pd.DataFrame(index=markers)
    )


def _stray_text(column: pd.Series) -> list[str]:
    """Text in a column that otherwise holds numbers: a typing error, not a label."""
    if column.dtype != object:  # in Parquet, categories and dates are declared as such
        return []
    numbers = pd.to_numeric(column, errors="coerce")
    stray = column.notna() & numbers.isna()
    if not stray.any() or numbers.notna().sum() <= stray.sum():  # only true, false and gaps
        return []
    rows = [f"row {i + 2} ({column.iloc[i]!r})" for i in np.flatnonzero(stray)]
    return [f"column {column.name}: expected numbers, found text in {listed(rows, limit=5)}"]

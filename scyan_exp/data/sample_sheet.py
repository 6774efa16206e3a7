"""CSVs that describe files, one row per file, or the events of one file, one row per event.

Fields are taken as they are written: ``001`` and ``NA`` are names. Empty ones are missing values.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from scyan_exp.data.sources import existing_file
from scyan_exp.data.texts import read_text
from scyan_exp.errors import InputError, listed, near_matches

log = logging.getLogger(__name__)

#: Headers of the column that names the files: the first of these that there is, else the first
#: column.
FILE_COLUMNS = ("file", "filename", "file_name", "fcs", "fcs_file", "sample")


def read_sheet(
    path: str, files: Sequence[Path], samples: Sequence[str], numbers: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows in the order of the files, without the column that names these.

    Args:
        path: a CSV with one row per file: its name, with or without folders and suffix, and what is
            known about it.
        files: F files.
        samples: their F names.
        numbers: columns with numbers; all others are text.

    Raises:
        InputError: files without a row, or with several; rows that match several files; text where
            numbers are wanted.
    """
    frame = read_frame(path, "a CSV with one row per file", numbers)
    by_name = {str(column).lower(): column for column in reversed(list(frame))}
    key = next((by_name[one] for one in FILE_COLUMNS if one in by_name), frame.columns[0])
    given = frame[key].fillna("").tolist()
    fits = [_fitting(name, files, samples) for name in given]
    places = [[i for i, mine in enumerate(fits) if mine == [f]] for f in range(len(files))]
    unclear = {f for mine in fits if len(mine) > 1 for f in mine}
    shown = [_shown(file, sample) for file, sample in zip(files, samples, strict=True)]
    unused = [i for i, mine in enumerate(fits) if not mine]
    problems = [
        f"row {i + 2} ({given[i]}) may be {' or '.join(shown[f] for f in mine)}: name the file "
        "with its folder"
        for i, mine in enumerate(fits)
        if len(mine) > 1
    ]
    for f, mine in enumerate(places):
        if len(mine) > 1:
            rows = ", ".join(str(i + 2) for i in mine)
            problems.append(f"{shown[f]} is in rows {rows}: keep one of them")
        elif not mine and f not in unclear:
            hint = near_matches(files[f].stem, [given[i] for i in unused])
            problems.append(f"no row for {shown[f]} in column {key!r}.{hint}")
    if problems:
        raise InputError(problems, where=path)
    if unused:
        log.info("%s: no file for %s", path, listed(f"row {i + 2} ({given[i]})" for i in unused))
    rows = frame.iloc[[mine[0] for mine in places]].reset_index(drop=True)
    return rows.drop(columns=key)


def _fitting(name: str, files: Sequence[Path], samples: Sequence[str]) -> list[int]:
    """The files that a row may mean: by their own names, else by the end of their paths."""
    named = [
        {sample, _shown(file, sample), str(file)}
        for file, sample in zip(files, samples, strict=True)
    ]
    wanted = PurePosixPath(name).parts
    exact = [i for i, mine in enumerate(named) if name in mine]
    return exact or [i for i, file in enumerate(files) if wanted and _ends_with(file, wanted)]


def _ends_with(file: Path, wanted: tuple[str, ...]) -> bool:
    """Whether the path of a file ends like this, with or without its suffix."""
    full = file.absolute()
    return wanted in (full.parts[-len(wanted) :], full.with_suffix("").parts[-len(wanted) :])


def _shown(file: Path, sample: str) -> str:
    """A file's name, with its folders where its sample has them."""
    return sample if sample.endswith(file.suffix) else f"{sample}{file.suffix}"


def read_labels(path: str, n_events: int, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """The columns of a CSV with one row per event; ``numbers`` hold numbers, all others text.

    Raises:
        InputError: the number of rows is wrong, or there is text where numbers are wanted.
    """
    frame = read_frame(path, "a CSV with one row per event", numbers)
    if len(frame) != n_events:
        raise InputError(
            f"expected one row per event: {n_events:,} below the header, found {len(frame):,}",
            where=path,
        )
    return frame


def read_header(path: str) -> list[str]:
    """The names of the columns.

    Raises:
        InputError: it is not a CSV.
    """
    return [str(name) for name in _parsed(path, "a CSV with a header", n_rows=0)]


def read_frame(path: str, expected: str, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV, separated by comma, semicolon or tab, as text; ``numbers`` become numbers.

    Raises:
        InputError: it cannot be read, has no rows, or text where numbers are wanted.
    """
    frame = _parsed(path, expected)
    if not len(frame):
        raise InputError(f"has no rows below its header; expected {expected}", where=path)
    frame = frame.apply(lambda column: column.str.strip())
    frame = frame.where(frame != "", None)
    problems = []
    for name in [name for name in numbers if name in frame]:
        values = pd.to_numeric(frame[name], errors="coerce")
        stray = [i for i in range(len(frame)) if pd.isna(values[i]) and pd.notna(frame[name][i])]
        rows = [f"row {i + 2} ({frame[name][i]!r})" for i in stray]
        if rows:
            problems.append(
                f"column {name!r} is one of dataset.continuous_covariates: expected numbers, "
                f"found {listed(rows, limit=5)}"
            )
        frame[name] = values
    if problems:
        raise InputError(problems, where=path)
    return frame


def _parsed(path: str, expected: str, n_rows: int | None = None) -> pd.DataFrame:
    text = read_text(existing_file(path, expected))
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=max(",;\t", key=text.partition("\n")[0].count),
            index_col=False,
            skipinitialspace=True,
            dtype=str,
            keep_default_na=False,
            nrows=n_rows,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"not a CSV ({str(error).strip()}); expected {expected}", where=path
        ) from error
    return frame.rename(columns=lambda name: str(name).strip())

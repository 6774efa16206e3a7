"""What is known of each file, from a CSV with a row a file; and of each event, from another."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scyan_exp.data.sources import existing_file
from scyan_exp.errors import InputError, listed, near_matches

log = logging.getLogger(__name__)

#: Headers of the column that names the files, the first of them that is there; else it is the
#: first column.
FILE_COLUMNS = ("file", "filename", "file_name", "fcs", "fcs_file", "sample")


def read_sheet(path: str, files: Sequence[Path], samples: Sequence[str]) -> pd.DataFrame:
    """The rows of the files, in their order; without the column that names them.

    Args:
        path: a CSV with a row a file: its name, with or without folder and suffix, and what is
            known of it.
        files: F files.
        samples: their F names.

    Raises:
        InputError: files without a row, or with several.
    """
    frame = read_frame(path, "a CSV with a row a file")
    by_name = {str(column).lower(): column for column in reversed(list(frame))}
    key = next((by_name[one] for one in FILE_COLUMNS if one in by_name), frame.columns[0])
    given = [str(value).strip() for value in frame[key]]
    pairs = zip(files, samples, strict=True)
    names = [{sample, file.name, file.stem, str(file)} for file, sample in pairs]
    places = [[i for i, one in enumerate(given) if one in mine] for mine in names]
    used = {i for mine in places for i in mine}
    unused = [f"row {i + 2} ({one})" for i, one in enumerate(given) if i not in used]
    problems = []
    for file, mine in zip(files, places, strict=True):
        if not mine:
            hint = near_matches(file.stem, [given[i] for i in range(len(given)) if i not in used])
            problems.append(f"no row for {file.name} in column {key!r}.{hint}")
        elif len(mine) > 1:
            rows = ", ".join(str(i + 2) for i in mine)
            problems.append(f"{file.name} stands in rows {rows}: keep one of them")
    if problems:
        raise InputError(problems, where=path)
    if unused:
        log.info("%s: no file for %s", path, listed(unused))
    rows = frame.iloc[[mine[0] for mine in places]].reset_index(drop=True)
    return rows.drop(columns=key)


def read_labels(path: str, n_events: int) -> pd.DataFrame:
    """Columns of a CSV with a row an event.

    Raises:
        InputError: it has another number of rows.
    """
    frame = read_frame(path, "a CSV with a row an event")
    if len(frame) != n_events:
        raise InputError(
            f"expected a row an event: {n_events:,} below the header, found {len(frame):,}",
            where=path,
        )
    return frame


def read_frame(path: str, expected: str) -> pd.DataFrame:
    """A CSV with comma, semicolon or tab.

    Raises:
        InputError: it cannot be read, or has no rows.
    """
    file = existing_file(path, expected)
    try:
        with file.open(encoding="utf-8-sig") as opened:
            separator = max(",;\t", key=opened.readline().count)
        frame = pd.read_csv(
            file, sep=separator, encoding="utf-8-sig", index_col=False, skipinitialspace=True
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"not a CSV ({str(error).strip()}); expected {expected}", where=path
        ) from error
    if not len(frame):
        raise InputError(f"has no rows below its header; expected {expected}", where=path)
    return frame.rename(columns=lambda name: str(name).strip())

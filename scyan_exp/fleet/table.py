"""The table of a sweep: ``sweep.csv``, and what the terminal shows at the end."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.files import write_text
from scyan_exp.terminal import short_numbers

if TYPE_CHECKING:
    from scyan_exp.fleet.schedule import Row

COLUMNS = ("job", "overrides", "status", "objective", "seconds", "device", "error", "folder")
#: Rows shown on the terminal at most, besides failures; all are in ``sweep.csv``.
MANY_ROWS = 40
WIDEST = 70


def other_rows(path: Path, numbers: Container[int]) -> dict[int, list[str]]:
    """The rows of an earlier table that are of other jobs: of earlier batches of a search."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    kept = {int(row[0]): row for row in rows if len(row) == len(COLUMNS) and row[0].isdecimal()}
    return {number: row for number, row in kept.items() if number not in numbers}


def write_csv(rows: Sequence[Row], path: Path, others: Mapping[int, list[str]]) -> None:
    """Write the table atomically, with the rows of other jobs."""
    lines = dict(others)
    for row in rows:
        value = "" if row.value is None else row.value
        seconds = f"{row.seconds:.2f}" if row.seconds else ""
        overrides = " ".join(row.job.overrides)
        cells = (row.job.number, overrides, row.status, value, seconds, row.device)
        lines[row.job.number] = [*map(str, cells), row.error or "", str(row.job.folder)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines[number] for number in sorted(lines))
    write_text(path, text.getvalue(), durable=False)


def labels(rows: Sequence[Row]) -> dict[int, str]:
    """What tells each job from the others: its overrides but for those that all have."""
    of_all = set.intersection(*(set(row.job.overrides) for row in rows)) if len(rows) > 1 else set()
    return {
        row.job.number: " ".join(one for one in row.job.overrides if one not in of_all)
        for row in rows
    }


def shown(rows: Sequence[Row], names: Mapping[int, str] | None = None) -> str:
    """The table as aligned text; of many rows those that need attention.

    Args:
        rows: what to show.
        names: what tells each job from the others, if not the overrides that not all have.
    """
    kept = [r for r in rows if len(rows) <= MANY_ROWS or r.status not in ("completed", "kept")]
    names = labels(rows) if names is None else names
    header = ("job", "overrides", "status", "objective", "seconds", "device")
    cells = [
        (
            str(row.job.number),
            _shortened(short_numbers(names[row.job.number])),
            str(row.status),
            _shown_value(row.value),
            f"{row.seconds:.1f}" if row.seconds else "",
            row.device,
        )
        for row in kept[:MANY_ROWS]
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = []
    for line in (header, *cells):
        texts = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        lines.append("  ".join(texts).rstrip())
    lines += [f"job {row.job.number}: {row.error}" for row in kept[:MANY_ROWS] if row.error]
    n_hidden = len(rows) - min(len(kept), MANY_ROWS)
    if n_hidden:
        lines.append(f"... and {n_hidden} more in sweep.csv")
    return "\n".join(lines)


def _shown_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(_shown_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."

"""A journal: lines are added to it, beside a file that is written as a whole only now and then.

Adding a line costs the same however long both are. When the whole file is written again, it
includes the lines, and the journal is removed. A process may be killed at any time, and others may
read at any time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scyan_exp.documents import parse_json


def journal_of(path: Path) -> Path:
    """The journal of a file."""
    return path.with_name(f".{path.name}.journal")


def add_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add a line to the journal of a file: JSON, in which numbers may be NaN or infinite."""
    # The line break comes first, to end the line of a process that was killed.
    with journal_of(path).open("ab", buffering=0) as file:
        file.write(b"\n" + json.dumps(values).encode())


def take_in(path: Path) -> None:
    """Remove the journal of a file that was written again and includes its lines."""
    journal_of(path).unlink(missing_ok=True)


def read_with_journal(path: Path) -> tuple[str | None, list[dict[str, Any]]]:
    """The text of a file, and the lines added since; a line that was cut off is left out.

    Returns:
        The text (None if there is no such file), and the lines.
    """
    while True:
        before, lines = _bytes(path), _lines(journal_of(path))
        if _bytes(path) == before:  # else the file was written again meanwhile
            return None if before is None else before.decode(), lines


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _lines(path: Path) -> list[dict[str, Any]]:
    parsed = map(_parsed, (_bytes(path) or b"").split(b"\n"))
    return [values for values in parsed if values is not None]


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        values = parse_json(text.decode())
    except ValueError:
        return None
    return values if isinstance(values, dict) else None

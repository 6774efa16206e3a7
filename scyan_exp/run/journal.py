"""A file to which lines are added, beside another one that is written as a whole now and then.

Adding costs the same however long both are. Writing the whole file again takes the lines in and
removes the journal; a process may be killed at any time, and a reader may come at any time.
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
    """Add a line to the journal of a file: JSON, NaN and infinite numbers included."""
    # The line break comes first: it ends what a process that was killed has left.
    with journal_of(path).open("ab", buffering=0) as file:
        file.write(b"\n" + json.dumps(values).encode())


def take_in(path: Path) -> None:
    """Remove the journal of a file that was written with all its lines taken in."""
    journal_of(path).unlink(missing_ok=True)


def read_with_journal(path: Path) -> tuple[str | None, list[dict[str, Any]]]:
    """The text of a file, and the lines that were added since; one that was cut off is left out.

    Returns:
        The text, None where there is no such file; and the lines.
    """
    while True:
        before, lines = _bytes(path), _lines(journal_of(path))
        if _bytes(path) == before:  # else it was written again, and has taken lines in
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

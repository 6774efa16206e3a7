"""A file to which lines are added, beside another one that is written as a whole now and then.

Adding costs the same however long both are. Writing the whole file again takes the lines in and
removes the journal; a process may be killed at any time, and a reader may come at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


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


def read_with_journal(path: Path, read: Callable[[Path], T]) -> tuple[T, list[dict[str, Any]]]:
    """A file, and the lines that were added since; one that was cut off is left out.

    Args:
        path: the file.
        read: reads it.
    """
    while True:
        before = _state(path)
        found, lines = read(path), _lines(journal_of(path))
        if _state(path) == before:  # else it was written again, and has taken lines in
            return found, lines


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    parsed = map(_parsed, texts)
    return [values for values in parsed if values is not None]


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

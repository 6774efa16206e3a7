"""One process at a time annotates a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.errors import OutputError
from scyan_exp.locks import in_turn


@contextmanager
def alone_on(output: Path) -> Iterator[None]:
    """Let no other annotation write this result within the block.

    Raises:
        OutputError: another one does.
    """

    def refuse() -> None:
        raise OutputError(
            "another annotation writes this file now: wait for its end, or choose another "
            "folder with out=FOLDER",
            where=str(output),
        )

    with in_turn(output, refuse):
        yield

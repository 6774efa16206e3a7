"""One process at a time writes a file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scyan_exp.errors import OutputError


@contextmanager
def alone_on(output: Path) -> Iterator[None]:
    """No other annotation writes this result meanwhile; ends with the process at the latest.

    Raises:
        OutputError: another one does.
    """

    def take(lock: IO[bytes]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                "another annotation writes this file now: wait for its end, or choose another "
                "folder with out=FOLDER",
                where=str(output),
            ) from error

    with _locked(output, take):
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Whoever changes this file meanwhile waits."""
    with _locked(path, lambda lock: fcntl.flock(lock, fcntl.LOCK_EX)):
        yield


@contextmanager
def _locked(path: Path, take: Callable[[IO[bytes]], None]) -> Iterator[None]:
    """Hold the lock of a file, another one beside it that is removed at the end."""
    lock = path.with_name(f"{path.name}.lock")
    while True:
        with lock.open("ab") as file:
            take(file)
            if not _is_at(file, lock):  # the one before has removed it, and a third may have anew
                continue
            try:
                yield
            finally:
                lock.unlink()
            return


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that stands at a path now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False

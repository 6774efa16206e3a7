"""Locks on files, by which processes take turns; each ends with its process at the latest."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

#: How often and how long a lock is waited for, in seconds: a process that only looks whether it is
#: taken holds it for a moment.
TRIES, PAUSE = 5, 0.02


def taken(descriptor: int, kind: int = fcntl.LOCK_EX, tries: int = TRIES) -> bool:
    """Try to lock a file; return whether it worked. The lock ends when the file is closed.

    Args:
        descriptor: of an open file or folder.
        kind: ``fcntl.LOCK_EX`` or ``fcntl.LOCK_SH``.
        tries: how often.
    """
    for left in reversed(range(tries)):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE if left else 0)
        else:
            return True
    return False


@contextmanager
def in_turn(path: Path, busy: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Let no other process change a file within the block; wait while one does.

    The lock is a file beside it, ``NAME.lock``, which is removed at the end.

    Args:
        path: the file, which need not exist.
        busy: called before waiting for another process; an error that it raises is passed on.
    """
    lock = path.with_name(f"{path.name}.lock")
    while True:
        with lock.open("ab") as file:
            if not taken(file.fileno(), tries=1):
                busy()
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, lock):  # its last owner has removed it, and another made a new one
                continue
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that stands at a path now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False

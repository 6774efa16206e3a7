"""Who may write to a folder: one process at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.errors import InputError

#: How often and how long a lock is waited for, in seconds: those who look whether it is taken hold
#: it for a moment.
TRIES, PAUSE = 5, 0.02


class FolderInUse(InputError):
    """Another process writes to the folder: nothing in it is ours to change."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let no other run write to a run folder meanwhile; ends with the process at the latest.

    The folder itself is locked, so no file is left in it. Where a file system locks no folders,
    nobody is refused.

    Raises:
        FolderInUse: another run does.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not _is_ours(descriptor):
            raise FolderInUse(
                "in use: another run writes to this folder; wait for it, or choose another "
                "hydra.run.dir",
                where=str(folder),
            )
        yield
    finally:
        os.close(descriptor)


def require_free(folder: Path) -> None:
    """Make sure that no run writes to a folder now; there may be no such folder.

    Raises:
        FolderInUse: one does.
    """
    if folder.is_dir():
        with alone_in(folder):
            pass


def taken(descriptor: int, kind: int, tries: int = TRIES) -> bool:
    """Whether a lock was had; it ends when the file is closed.

    Args:
        descriptor: of an open file.
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


def _is_ours(descriptor: int) -> bool:
    try:
        return taken(descriptor, fcntl.LOCK_EX)
    except OSError:  # of file systems that cannot
        return True

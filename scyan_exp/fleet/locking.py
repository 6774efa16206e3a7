"""Who runs the jobs of a sweep: one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scyan_exp.errors import InputError
from scyan_exp.files import remove_leftovers
from scyan_exp.run.folder import SweepFolder

#: How often and how long a lock is waited for, in seconds: those who look whether a sweep runs
#: hold it for a moment.
TRIES, PAUSE = 5, 0.02


@contextmanager
def locked(sweep_dir: Path) -> Iterator[None]:
    """Let nobody else run jobs in this folder meanwhile; ends with the process at the latest.

    Raises:
        InputError: somebody else does.
    """
    with SweepFolder(sweep_dir).lock.open("a") as file:
        if not _taken(file, fcntl.LOCK_EX, TRIES):
            raise InputError(
                "another process is running the jobs of this sweep; wait for it, or end it",
                where=str(sweep_dir),
            )
        remove_leftovers(sweep_dir)
        yield


def is_locked(sweep_dir: Path) -> bool:
    """Whether a process runs the jobs of a sweep now. Launchers other than the fleet do not say."""
    try:
        with SweepFolder(sweep_dir).lock.open("r") as file:
            return not _taken(file, fcntl.LOCK_SH, 1)
    except OSError:  # nobody ever did, or it is not ours to read
        return False


def _taken(file: IO[str], kind: int, tries: int) -> bool:
    """Whether a lock was had; it ends when the file is closed."""
    for left in reversed(range(tries)):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE if left else 0)
        else:
            return True
    return False

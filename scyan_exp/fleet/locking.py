"""Who runs the jobs of a sweep: one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.files import remove_leftovers
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.locking import taken


@contextmanager
def locked(sweep_dir: Path) -> Iterator[None]:
    """Let nobody else run jobs in this folder meanwhile; ends with the process at the latest.

    Raises:
        InputError: somebody else does.
    """
    with SweepFolder(sweep_dir).lock.open("a") as file:
        if not taken(file.fileno(), fcntl.LOCK_EX):
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
            return not taken(file.fileno(), fcntl.LOCK_SH, tries=1)
    except OSError:  # nobody ever did, or it is not ours to read
        return False

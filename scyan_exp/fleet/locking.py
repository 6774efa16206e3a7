"""Only one process at a time runs the jobs of a sweep."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.files import remove_leftovers
from scyan_exp.locks import taken
from scyan_exp.run.folder import SweepFolder


@contextmanager
def locked(sweep_dir: Path) -> Iterator[None]:
    """Let no other process run jobs in this folder within the block.

    Raises:
        InputError: another one does.
    """
    with SweepFolder(sweep_dir).lock.open("a") as file:
        if not taken(file.fileno()):
            raise InputError(
                "another process is running the jobs of this sweep; wait for it, or end it",
                where=str(sweep_dir),
            )
        for folder in SweepFolder(sweep_dir).locked_folders():
            remove_leftovers(folder)
        yield


def is_locked(sweep_dir: Path) -> bool:
    """Whether the fleet runs the jobs of a sweep now; other launchers take no lock."""
    try:
        with SweepFolder(sweep_dir).lock.open("r") as file:
            return not taken(file.fileno(), fcntl.LOCK_SH, tries=1)
    except OSError:  # no fleet ever did, or the file cannot be read
        return False

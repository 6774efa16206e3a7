"""Only one process at a time writes to a run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.locks import taken


class FolderInUse(InputError):
    """Another process writes to the folder, so nothing in it may be changed."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let no other run write to a run folder within the block.

    The folder itself is locked, so no file is left in it. Where a file system cannot lock folders,
    no run is refused.

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
    """Make sure that no run writes to a folder now; the folder need not exist.

    Raises:
        FolderInUse: one does.
    """
    if folder.is_dir():
        with alone_in(folder):
            pass


def _is_ours(descriptor: int) -> bool:
    try:
        return taken(descriptor)
    except OSError:  # the file system cannot lock folders
        return True

"""Opening what lies in a folder, and nothing else: no link is followed on the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened_inside(root: Path, parts: Sequence[str]) -> Iterator[int | None]:
    """A descriptor of a file or a folder below ``root``; None if there is none to be shown.

    Each part is opened within the one before, so that nobody can put a link in its place
    meanwhile. Names that begin with a dot are not shown, nor what is neither file nor folder.

    Args:
        root: the folder.
        parts: the names on the way, each without a slash.
    """
    descriptor = None
    try:
        descriptor = _walk(root, parts)
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _walk(root: Path, parts: Sequence[str]) -> int | None:
    # Without waiting: opening a pipe that nobody writes to would last for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        before = descriptor
        try:
            if part.startswith(".") or "/" in part or not part:
                return None
            descriptor = os.open(part, flags, dir_fd=before)
        except (OSError, ValueError):
            return None
        finally:
            os.close(before)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return descriptor
    os.close(descriptor)
    return None


def names_in(descriptor: int) -> list[str]:
    """The names in an open folder that are shown, those of folders with a slash behind."""
    with os.scandir(descriptor) as entries:
        shown = [one for one in entries if not one.name.startswith(".") and not one.is_symlink()]
        names = [f"{one.name}/" if one.is_dir() else one.name for one in shown]
    return sorted(names, key=lambda name: (not name.endswith("/"), name))

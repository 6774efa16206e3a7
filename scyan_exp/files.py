"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

from scyan_exp.errors import OutputError

#: Errors of the file system that say "this cannot be written", not "the program is wrong".
UNWRITABLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EINTR,  # Python tries again, HDF5 does not
    errno.EIO,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


#: The name of a file on its way to its place.
TEMPORARY = re.compile(r"\.(?P<stem>.+)-[0-9a-f]{8}(?P<suffix>\.[^.]+)?")
#: What file systems say that cannot sync a folder; there is nothing to do about it.
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES}
#: The number of the system's error in what HDF5 says.
ERRNO_OF_HDF5 = re.compile(r"\berrno = (\d+)")


@contextmanager
def atomic_path(path: Path, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block succeeds.

    If ``durable``, the content reaches the disk before the rename, and the rename before this
    returns, so that ``path`` holds the old content or the new, whatever happens to the machine; if
    not, to the process. A process that is killed leaves the temporary file behind, see
    :func:`remove_leftovers`.
    """
    new_folders = list(takewhile(lambda one: not one.exists(), (path.parent, *path.parents[1:])))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)  # with the permissions that the user's umask leaves
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(path)
        if durable:
            for folder in (path.parent, *(one.parent for one in new_folders)):
                sync(folder)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the list of names of a folder, has reached the disk."""
    is_folder = path.is_dir()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove files that never took their place, as their process was killed.

    Args:
        folder: where they are; nobody may be writing there with :func:`atomic_path`.
        name: of the file that they were to become; None for any.
    """
    for path in folder.glob(".*-*"):
        found = TEMPORARY.fullmatch(path.name)
        if found and name in (None, found["stem"] + (found["suffix"] or "")):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write a text file atomically."""
    with atomic_path(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, values: dict[str, Any], durable: bool = True) -> None:
    """Write a JSON file atomically; NaN and infinite numbers become null."""
    write_text(path, json.dumps(finite(values), indent=2, allow_nan=False) + "\n", durable)


def require_space(folder: Path, n_bytes: int) -> None:
    """Create ``folder`` and make sure that ``n_bytes`` can be written there.

    Raises:
        OutputError: it cannot be created or written, or its disk is too full.
    """
    with explain_unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0" * 4096)
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OutputError(
            f"{free / 2**20:,.0f} MiB are free, the results need about {n_bytes / 2**20:,.0f} MiB: "
            "make room or choose another folder with hydra.run.dir=... (hydra.sweep.dir=...)",
            where=str(folder),
        )


@contextmanager
def explain_unwritable(folder: Path | None = None) -> Iterator[None]:
    """Turn the file system's refusals inside the block into an :class:`OutputError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise unwritable(error, error.filename or folder) from error


@contextmanager
def writing_hdf5(path: Path) -> Iterator[None]:
    """Turn what HDF5 says of a write that the system refused into the system's own error.

    HDF5 raises errors of several kinds, with the reason in the second of many lines.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        found = ERRNO_OF_HDF5.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        refused = OSError(number, os.strerror(number), str(path))
        raise refused from error


def unwritable(error: OSError, where: str | Path | None) -> OutputError:
    """The error that says that results cannot be written, and what to do."""
    return OutputError(
        f"the results cannot be written ({error.strerror or error}): choose another folder with "
        "hydra.run.dir=... (hydra.sweep.dir=...)",
        where=None if where is None else str(where),
    )


def finite(value: Any) -> Any:
    """The same containers with None for NaN and infinite numbers, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

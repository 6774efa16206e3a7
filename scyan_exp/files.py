"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scyan_exp.errors import OutputError

#: Errors of the file system that say "this cannot be written", not "the program is wrong".
UNWRITABLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


@contextmanager
def atomic_path(path: Path, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block succeeds.

    If ``durable``, the content reaches the disk before the rename, so that ``path`` holds the
    old content or the new, whatever happens to the machine; if not, to the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)  # with the permissions that the user's umask leaves
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write a text file atomically."""
    with atomic_path(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file atomically; NaN and infinite numbers become null."""
    write_text(path, json.dumps(finite(values), indent=2, allow_nan=False) + "\n")


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

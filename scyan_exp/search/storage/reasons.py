"""Why a storage does not answer, in words."""

from __future__ import annotations

import os
import tempfile

from scyan_exp.search.storage.urls import file_of


def reason_of(error: BaseException, url: str = "") -> str:
    """The first line of an error, or of the one behind Optuna's own.

    Args:
        error: what was raised.
        url: of the storage. Of a file, why the disk refuses it is added: SQLite says "unable to
            open database file" whatever the reason.
    """
    error = error.__cause__ or error
    lines = str(error).strip().splitlines()
    said, refusal = f"{type(error).__name__}: {' '.join(lines[:1])}", refusal_of_disk(url)
    return f"{said}: {refusal}" if refusal and refusal not in said else said


def refusal_of_disk(url: str) -> str | None:
    """What the disk says to a file without a name beside that of a URL; None if it takes it."""
    file = file_of(url)
    if file is None:
        return None
    try:
        with tempfile.TemporaryFile(dir=file.parent) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error.strerror
    return None


def is_refused_by_disk(error: BaseException, url: str) -> bool:
    """Whether the disk is why a storage cannot be opened: it is full, say, or broken."""
    cause = error.__cause__ or error  # SQLite's own, or SQLAlchemy's around it
    name = getattr(getattr(cause, "orig", cause), "sqlite_errorname", "")
    return name.startswith(("SQLITE_FULL", "SQLITE_IOERR")) or refusal_of_disk(url) is not None

"""A search in a journal of Optuna's, which several processes write to.

Optuna's own lock of a journal is a file, which stays behind when its process is killed and stops
all others for 30 seconds; ours is the kernel's, which ends with the process.
"""

from __future__ import annotations

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from scyan_exp.errors import InputError
from scyan_exp.files import sync
from scyan_exp.search.storage.urls import JOURNAL_SCHEME

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

#: How a journal of Optuna's begins.
RECORD = b'{"op_code"'


def open_journal(url: str) -> BaseStorage:
    """Open a journal, or make a new one.

    Args:
        url: ``journal://`` and the path of the file.

    Raises:
        InputError: there is no such folder, or the file is something else.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(url.removeprefix(JOURNAL_SCHEME))
    if not path.parent.is_dir():
        raise InputError(f"hydra.sweeper.storage: no such folder: {path.parent}")
    lock, is_new = KernelLock(path), not path.exists()
    lock.acquire()
    try:
        if is_new:  # Optuna syncs what it writes there, not that the file is there
            sync(path.parent)
        _mend(path)
    finally:
        lock.release()
    # Optuna asks for a subclass, which would be an import of Optuna here.
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]


class KernelLock:
    """Lets one process at a time write to a journal, and is gone when that process is.

    The journal itself is locked, so that there is no other file. (That of Optuna's own lock would
    hold up Optuna's programs that know that one, such as the dashboard.)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self._path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _mend(path: Path) -> None:
    """Remove the line that a process was writing when the machine went down.

    Raises:
        InputError: the file is not a journal of Optuna's. It is left alone.
    """
    with suppress(FileNotFoundError), path.open("rb+") as file:
        content = file.read()
        if content[: len(RECORD)] != RECORD[: len(content)]:
            raise InputError("hydra.sweeper.storage: not a journal of Optuna's", where=str(path))
        end = content.rfind(b"\n") + 1
        if end < len(content):
            file.truncate(end)

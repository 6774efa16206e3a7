"""Where a study is kept.

By default an Optuna journal in the sweep's folder. Compared with SQLite there, a report of an
epoch with the question whether to stop takes 0.4 ms instead of 5, and it needs no SQL library to
be imported (0.4 s); measured in ``benchmarks/README.md``. Optuna's own lock of a journal is a file,
which stays behind when its process is killed and stops all others for 30 seconds; ours is the
kernel's, which ends with the process.
"""

from __future__ import annotations

import fcntl
import re
import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scyan_exp.errors import InputError
from scyan_exp.search.settings import CREDENTIALS, SECRET_OPTION

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"
SCHEME = "journal://"
#: Seconds to wait before a new database that others open, too, is tried again.
RETRIES = (0.1, 0.2, 0.4, 0.8, 1.6)
#: What databases say when another process made a table first, or is writing.
BUSY = "already exists|database is locked"
#: How a journal of Optuna's begins.
RECORD = b'{"op_code"'


def storage_url(storage: str | None, sweep_dir: Path, start: Path = Path()) -> str:
    """The URL of a storage, with an absolute path: jobs may run in folders of their own.

    Args:
        storage: as the settings have it; the file in the sweep's folder when None.
        sweep_dir: the sweep's folder.
        start: where the search was started, to which relative paths are relative.
    """
    if storage is None:
        return f"{SCHEME}{start.absolute() / sweep_dir / JOURNAL}"
    for scheme in (SCHEME, "sqlite:///"):
        if storage.startswith(scheme) and ":memory:" not in storage:
            return f"{scheme}{start.absolute() / storage.removeprefix(scheme)}"
    return storage


def open_storage(url: str) -> BaseStorage:
    """Open a storage, or make a new one.

    Raises:
        InputError: it cannot be opened.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return _open_journal(url) if url.startswith(SCHEME) else _open_database(url)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise InputError(
            f"hydra.sweeper.storage: cannot be opened ({type(error).__name__}: "
            f"{' '.join(reason[:1])}); expected null, {SCHEME}/path/of/a/file, or a URL such as "
            "sqlite:////path/study.db or postgresql://host/database",
            where=without_password(url),
        ) from error


def dashboard_command(url: str) -> str:
    """The command that shows the study in a browser, as a shell takes it."""
    return shlex.join(["optuna-dashboard", without_password(url).removeprefix(SCHEME)])


def without_password(url: str) -> str:
    """A URL that can be shown."""
    url = re.sub(SECRET_OPTION, lambda found: f"{found[0].partition('=')[0]}=***", url)
    return re.sub(CREDENTIALS, r"://\1@", url)


def _open_journal(url: str) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(url.removeprefix(SCHEME))
    if not path.parent.is_dir():
        raise InputError(f"hydra.sweeper.storage: no such folder: {path.parent}")
    lock = KernelLock(path)
    lock.acquire()
    try:
        _mend(path)
    finally:
        lock.release()
    # Optuna asks for a subclass, which would be an import of Optuna here.
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]


def _open_database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    # No connection stays open between two uses: workers are forked off this process.
    options: dict[str, Any] = {"poolclass": NullPool}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": 60}  # seconds to wait for other writers
    # Others may be making the same tables, and the one row of each that says their version.
    for pause in RETRIES:
        try:
            return RDBStorage(url, engine_kwargs=options)
        except SQLAlchemyError as error:
            if not (isinstance(error, IntegrityError) or re.search(BUSY, str(error))):
                raise
            time.sleep(pause)
    return RDBStorage(url, engine_kwargs=options)


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
        InputError: the file is no journal of Optuna's; it stays as it is.
    """
    with suppress(FileNotFoundError), path.open("rb+") as file:
        content = file.read()
        if content[: len(RECORD)] != RECORD[: len(content)]:
            raise InputError("hydra.sweeper.storage: not a journal of Optuna's", where=str(path))
        end = content.rfind(b"\n") + 1
        if end < len(content):
            file.truncate(end)

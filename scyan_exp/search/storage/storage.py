"""Where a study is kept.

By default an Optuna journal in the sweep's folder. Compared with SQLite there, a report of an
epoch with the question whether to stop takes 0.4 ms instead of 5, and it needs no SQL library to
be imported (0.4 s); measured in ``benchmarks/README.md``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.errors import InputError
from scyan_exp.search.settings import CREDENTIALS, SECRET_OPTION
from scyan_exp.search.storage.database import missing_driver, open_database
from scyan_exp.search.storage.journal import SCHEME, open_journal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"
#: How URLs of files begin.
OF_FILE = r"journal://|sqlite(\+\w+)?:///"
IN_MEMORY = r"sqlite(\+\w+)?:(//)?|sqlite(\+\w+)?:///(:memory:.*)?"


def storage_url(storage: str | None, sweep_dir: Path, start: Path = Path()) -> str:
    """The URL of a storage, with an absolute path: jobs may run in folders of their own.

    Args:
        storage: as the settings have it; the file in the sweep's folder when None.
        sweep_dir: the sweep's folder.
        start: where the search was started, to which relative paths are relative.
    """
    if storage is None:
        return f"{SCHEME}{start.absolute() / sweep_dir / JOURNAL}"
    of_file = re.match(OF_FILE, storage)
    if of_file and ":memory:" not in storage:
        return f"{of_file[0]}{start.absolute() / storage.removeprefix(of_file[0])}"
    return storage


def open_storage(url: str, is_new: bool = True) -> BaseStorage:
    """Open a storage, or make a new one.

    Args:
        url: as :func:`storage_url` gives it.
        is_new: whether it may be made.

    Raises:
        InputError: it cannot be opened.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    of_file = re.match(OF_FILE, url)
    if re.fullmatch(IN_MEMORY, url):
        raise InputError(
            "hydra.sweeper.storage: in memory it would be lost, and workers would not see it; "
            "expected null, or a file such as sqlite:///study.db",
            where=url,
        )
    if of_file and not is_new and not Path(url.removeprefix(of_file[0]).partition("?")[0]).exists():
        raise InputError(
            "hydra.sweeper.storage: there is no such file, in which this folder's search is kept; "
            "put it there again, or use another folder (hydra.sweep.dir=...) for a new search",
            where=url,
        )
    try:
        return open_journal(url) if url.startswith(SCHEME) else open_database(url)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"hydra.sweeper.storage: {missing_driver(url, error)}", where=without_password(url)
        ) from error
    except Exception as error:
        raise InputError(
            f"hydra.sweeper.storage: cannot be opened ({reason_of(error)}); expected null, "
            f"{SCHEME}/path/of/a/file, or a URL such as "
            "sqlite:////path/study.db or postgresql+psycopg://host/database",
            where=without_password(url),
        ) from error


def require_study(storage: BaseStorage, name: str, url: str) -> None:
    """Make sure that a storage has the study of this name.

    Raises:
        InputError: it has not.
    """
    try:
        storage.get_study_id_from_name(name)
    except KeyError as error:
        raise InputError(
            f"hydra.sweeper.storage: the study {name} of this folder's search is not there any "
            "more; use another folder (hydra.sweep.dir=...) for a new search",
            where=without_password(url),
        ) from error


def reason_of(error: BaseException) -> str:
    """The first line of an error, or of the one behind Optuna's own."""
    error = error.__cause__ or error
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {' '.join(lines[:1])}"


def dashboard_command(url: str) -> str:
    """The command that shows the study in a browser, as a shell takes it."""
    return shlex.join(["optuna-dashboard", without_password(url).removeprefix(SCHEME)])


def without_password(url: str) -> str:
    """A URL that can be shown."""
    url = re.sub(SECRET_OPTION, lambda found: f"{found[0].partition('=')[0]}=***", url)
    return re.sub(CREDENTIALS, r"://\1@", url)

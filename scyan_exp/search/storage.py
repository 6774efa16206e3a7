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
from scyan_exp.search.database import missing_driver, open_database
from scyan_exp.search.journal import SCHEME, open_journal
from scyan_exp.search.settings import CREDENTIALS, SECRET_OPTION

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"


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
        return open_journal(url) if url.startswith(SCHEME) else open_database(url)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"hydra.sweeper.storage: {missing_driver(url, error)}", where=without_password(url)
        ) from error
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise InputError(
            f"hydra.sweeper.storage: cannot be opened ({type(error).__name__}: "
            f"{' '.join(reason[:1])}); expected null, {SCHEME}/path/of/a/file, or a URL such as "
            "sqlite:////path/study.db or postgresql+psycopg://host/database",
            where=without_password(url),
        ) from error


def dashboard_command(url: str) -> str:
    """The command that shows the study in a browser, as a shell takes it."""
    return shlex.join(["optuna-dashboard", without_password(url).removeprefix(SCHEME)])


def without_password(url: str) -> str:
    """A URL that can be shown."""
    url = re.sub(SECRET_OPTION, lambda found: f"{found[0].partition('=')[0]}=***", url)
    return re.sub(CREDENTIALS, r"://\1@", url)

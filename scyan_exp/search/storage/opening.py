"""Opening a storage by its URL, with the reason in words when that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scyan_exp.errors import InputError, OutputError
from scyan_exp.search.storage.database import missing_driver, open_database
from scyan_exp.search.storage.journal import open_journal
from scyan_exp.search.storage.reasons import is_refused_by_disk, reason_of
from scyan_exp.search.storage.urls import JOURNAL_SCHEME, file_of, is_in_memory, without_password

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(url: str, is_new: bool = True) -> BaseStorage:
    """Open a storage, or make a new one.

    Args:
        url: as :func:`~scyan_exp.search.storage.urls.storage_url` gives it.
        is_new: whether it may be made.

    Raises:
        InputError: it cannot be opened.
        OutputError: the disk refuses it.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _require_place(url, is_new)
    try:
        return open_journal(url) if url.startswith(JOURNAL_SCHEME) else open_database(url)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"hydra.sweeper.storage: {missing_driver(url, error)}", where=without_password(url)
        ) from error
    except Exception as error:
        reason = reason_of(error, url)
        if is_refused_by_disk(error, url):
            raise OutputError(
                f"hydra.sweeper.storage: cannot be written ({reason}); make room, or choose "
                "another folder",
                where=without_password(url),
            ) from error
        raise InputError(
            f"hydra.sweeper.storage: cannot be opened ({reason}); expected null, "
            f"{JOURNAL_SCHEME}/path/of/a/file, or a URL such as "
            "sqlite:////path/study.db or postgresql+psycopg://host/database",
            where=without_password(url),
        ) from error


def _require_place(url: str, is_new: bool) -> None:
    """Make sure that a storage outlives its process, and that one in use is still there."""
    if is_in_memory(url):
        raise InputError(
            "hydra.sweeper.storage: in memory it would be lost, and workers would not see it; "
            "expected null, or a file such as sqlite:///study.db",
            where=url,
        )
    file = file_of(url)
    if file is not None and not is_new and not file.exists():
        raise InputError(
            "hydra.sweeper.storage: there is no such file, in which this folder's search is kept; "
            "put it there again, or use another folder (hydra.sweep.dir=...) for a new search",
            where=url,
        )


def require_study(storage: BaseStorage, name: str, url: str) -> None:
    """Make sure that a storage has the study of this name.

    Raises:
        InputError: it does not.
    """
    try:
        storage.get_study_id_from_name(name)
    except KeyError as error:
        raise InputError(
            f"hydra.sweeper.storage: this folder's search, {name}, is no longer there; use "
            "another folder (hydra.sweep.dir=...) for a new search",
            where=without_password(url),
        ) from error

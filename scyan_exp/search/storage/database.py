"""A search in a database, which many machines may share."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

#: Seconds to wait before trying again, when others open the same new database.
RETRIES = (0.1, 0.2, 0.4, 0.8, 1.6)
#: What databases say when another process made a table first, or is writing.
BUSY = "already exists|database is locked"
#: The extra that has the driver of a database, and URLs that use it.
DRIVERS = {
    "postgresql": ("postgresql", "postgresql+psycopg"),
    "mysql": ("mysql", "mysql+pymysql"),
    "mariadb": ("mysql", "mysql+pymysql"),
}


def open_database(url: str) -> BaseStorage:
    """Open a database, or make its tables. Others may be doing the same.

    Args:
        url: as SQLAlchemy takes it.

    Raises:
        ImportError: its driver is not installed.
        SQLAlchemyError: it cannot be opened.
    """
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    # No connection stays open between two uses: workers are forked off this process.
    options: dict[str, Any] = {"poolclass": NullPool}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": 60}  # seconds to wait for other writers
    for pause in RETRIES:
        try:
            return RDBStorage(url, engine_kwargs=options)
        except (SQLAlchemyError, StorageInternalError) as error:
            if not _is_in_use(error):
                raise
            time.sleep(pause)
    return RDBStorage(url, engine_kwargs=options)


def _is_in_use(error: BaseException) -> bool:
    """Whether another process made a table, or its row with the version, at the same moment."""
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    error = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
    return isinstance(error, IntegrityError) or re.search(BUSY, str(error)) is not None


def is_database_error(error: BaseException) -> bool:
    """Whether the database, or the connection to it, caused an error."""
    from optuna.exceptions import StorageInternalError

    module = type(error).__module__.partition(".")[0]
    return isinstance(error, StorageInternalError) or module == "sqlalchemy"


def missing_driver(url: str, error: ImportError) -> str:
    """What is missing to reach a database, and what to do."""
    module = error.__cause__.name if isinstance(error.__cause__, ImportError) else None
    found = f"the Python package {module} is missing" if module else str(error)
    for database, (extra, driver) in DRIVERS.items():
        if url.startswith(database):
            return f"{found}; pip install 'scyan_exp[{extra}]' and write {driver}://..."
    return found

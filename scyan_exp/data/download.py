"""Downloading a file: a download goes on where it was cut off, and the file is never half there.

The bytes that have arrived wait beside the file, in ``NAME.part``, until all are there and right.
pooch fetches them; this module goes on after a cut, checks, and says what is wrong.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from scyan_exp.data.download_reasons import reason, web_page
from scyan_exp.errors import InputError
from scyan_exp.files import explain_unwritable
from scyan_exp.locks import in_turn

if TYPE_CHECKING:
    from requests import RequestException, Response
    from rich.progress import Progress

log = logging.getLogger(__name__)

#: Seconds without a byte after which a connection is given up.
TIMEOUT = 60.0
#: How many connections in a row may be cut, as long as each brings some bytes.
TRIES = 10
#: Bytes read at a time: a connection that is cut loses no more than these.
BLOCK = 2**14
#: What a server answers when all the bytes are there already, or more.
NO_SUCH_RANGE = 416


def download(
    url: str,
    path: Path,
    is_right: Callable[[Path], bool],
    size: int | None = None,
    timeout: float = TIMEOUT,
) -> None:
    """Download a file, unless it is there and right.

    Processes that want the same file wait for the first of them.

    Args:
        url: where the file is.
        path: where it should be.
        is_right: whether a file has the expected content.
        size: bytes of the file, if known; a file of another size is refused at once.
        timeout: seconds without a byte after which a connection is given up.

    Raises:
        InputError: it cannot be downloaded, or is not the file it should be; bytes that have
            arrived are kept for the next try.
        OutputError: it cannot be written.
    """
    with explain_unwritable(path.parent), _alone(path):
        if path.is_file() and is_right(path):
            return
        part = path.with_name(f"{path.name}.part")
        was_begun = part.is_file()
        _complete(part, url, path, size, timeout)
        if not is_right(part) and was_begun:  # it may have begun as another file
            part.unlink()
            _complete(part, url, path, size, timeout)
        if not is_right(part):
            part.unlink()
            raise InputError(
                "the downloaded file is not the expected one: it was changed at its source, or "
                "something between here and there answers in its place (a proxy, a login page); "
                "nothing was kept",
                where=url,
            )
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let no other process download this file within the block; wait while one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with in_turn(path, lambda: log.info("Another process is downloading %s: waiting for it", path)):
        yield


def _complete(part: Path, url: str, path: Path, size: int | None, timeout: float) -> None:
    """Fetch the missing bytes, over as many connections as it takes."""
    from requests import RequestException

    for left in reversed(range(TRIES)):
        before = _size(part)
        try:
            _connect(part, url, size, timeout)
            return
        except RequestException as error:
            arrived = _size(part)
            if _status(error) == NO_SUCH_RANGE and before:
                return
            if arrived <= before or not left:
                _give_up(error, arrived, url, path, timeout)
            log.warning("Cut off after %s of %s: going on", _bytes(arrived), url)


def _connect(part: Path, url: str, size: int | None, timeout: float) -> None:
    """Over one connection, append what the server has beyond the bytes that are there."""
    from pooch import HTTPDownloader  # type: ignore[import-untyped]

    with part.open("ab") as file, _bar(part.name.removesuffix(".part")) as bar:
        rest = _Rest(file, url, size, bar)
        headers = {"Accept-Encoding": "identity"}  # a range counts the file's own bytes
        if rest.there:
            headers["Range"] = f"bytes={rest.there}-"
        get = HTTPDownloader(
            chunk_size=BLOCK, timeout=timeout, headers=headers, hooks={"response": rest.begin}
        )
        try:
            get(url, rest, None)
        finally:
            rest.end()
            if not _size(part):
                part.unlink()


class _Rest:
    """Where pooch writes the bytes that are missing."""

    def __init__(self, file: BinaryIO, url: str, size: int | None, bar: Progress | None) -> None:
        self._file, self._url, self._size, self._bar = file, url, size, bar
        self.there, self._is_anew = file.tell(), False
        self._answers: list[Response] = []

    def begin(self, answer: Response, **_: object) -> None:
        """Look at an answer before its bytes arrive: are they the rest, or the whole file again?"""
        self._answers.append(answer)
        if answer.is_redirect or not answer.ok:
            return
        found = answer.headers.get("Content-Range", "")
        self._is_anew = not found.startswith(f"bytes {self.there}-")
        there = 0 if self._is_anew else self.there
        length = answer.headers.get("Content-Length")
        total = None if length is None else there + int(length)
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            self._refuse(total)  # a web page shows in the first bytes
        if self._bar is not None:
            self._bar.add_task("", total=total, completed=there)
        else:
            log.info("Downloading %s (%s)", self._url, _bytes(total))

    def write(self, block: bytes) -> None:
        """Append some bytes; if the whole file comes again, they replace what was there."""
        if self._is_anew:
            if (page := web_page(block)) is not None:
                kept = f"; {_bytes(self.there)} of the file are kept" if self.there else ""
                raise InputError(
                    f"{page} came instead of the file: something between here and there answers in "
                    f"its place (a proxy, a login page){kept}. Log in, or fetch it elsewhere and "
                    f"put it at {self._file.name.removesuffix('.part')}",
                    where=self._url,
                )
            self._file.truncate(0)
            self.there, self._is_anew = 0, False
        self._file.write(block)
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[-1], len(block))

    def flush(self) -> None:
        """Write what has arrived to the file, so that it survives a kill."""
        self._file.flush()

    def end(self) -> None:
        """Close what a cut connection or an error has left open."""
        self._file.flush()
        for answer in self._answers:
            answer.close()

    def _refuse(self, total: int | None) -> None:
        """Refuse a download that cannot succeed."""
        if total is None:
            return
        if self._size not in (None, total):
            raise InputError(
                f"the file has {total:,} bytes, expected {self._size:,}: it was changed at its "
                "source, or something between here and there answers in its place (a proxy, a "
                "login page)",
                where=self._url,
            )
        folder = Path(self._file.name).parent
        free = shutil.disk_usage(folder).free
        if total - self.there > free:
            raise InputError(
                f"{_bytes(total - self.there)} are to be downloaded, {_bytes(free)} are free in "
                f"{folder}: make room, or name another folder in SCYAN_EXP_CACHE",
                where=self._url,
            )


@contextmanager
def _bar(name: str) -> Iterator[Progress | None]:
    """A progress bar where a terminal shows it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(name, *columns, console=Console(stderr=True)) as bar:
        yield bar


def _give_up(
    error: RequestException, arrived: int, url: str, path: Path, timeout: float
) -> NoReturn:
    """Raise an error that says why it failed, what is kept, and what to do."""
    kept = f" {_bytes(arrived)} are kept: the next try goes on from there." if arrived else ""
    raise InputError(
        f"cannot be downloaded ({reason(error, timeout)}).{kept} Without network access, fetch "
        f"it elsewhere and put it at {path}",
        where=url,
    ) from error


def _status(error: RequestException) -> int | None:
    return None if error.response is None else error.response.status_code


def _size(part: Path) -> int:
    """Bytes that have arrived."""
    return part.stat().st_size if part.is_file() else 0


def _bytes(n: int | None) -> str:
    if n is None:
        return "of unknown size"
    return f"{n / 1e6:,.1f} MB" if n >= 1e5 else f"{n:,} bytes"

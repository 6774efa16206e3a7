"""What goes to the terminal: log lines, short texts, and pipes whose readers may go away.

``scyan-exp train -m ... | head`` or a ``tee`` that is killed: the results are in files, so a run
of hours goes on without its output.
"""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


#: Characters below which the last column of a table gets a line of its own.
MIN_LAST = 24


def short_numbers(text: str) -> str:
    """The same with numbers of many digits rounded: a search draws them with 17.

    Example:
        >>> short_numbers("model.prior_std=0.28389983713 seed=3")
        'model.prior_std=0.2839 seed=3'
    """
    return re.sub(r"\d+\.\d{5,}(e-?\d+)?", lambda found: f"{float(found[0]):.4g}", text)


def one_line(text: str) -> str:
    r"""Text of unknown origin on one line: control characters are spelt out.

    Example:
        >>> one_line("a\nb\x1b[2J")
        'a b\\x1b[2J'
    """
    joined = re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", text)
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in joined
    )


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[str] = (),
) -> None:
    """Print a table: fitted to the width of a terminal, or else whole lines of plain text.

    Args:
        columns: the names of the columns; one in which nothing stands is left out.
        rows: the texts of each row, a column each. Those of the last column are cut where a
            terminal is narrow; where there is hardly any room, they get a line of their own.
        numbers: columns that stand flush right.
    """
    from rich.console import Console

    used = [i for i, _ in enumerate(columns) if any(row[i] for row in rows)]
    names = [columns[i] for i in used]
    texts = [[one_line(row[i]) for i in used] for row in rows]
    console = Console(highlight=False, soft_wrap=True)
    lines = aligned([names, *texts], numbers, console.width if console.is_terminal else None)
    console.print(lines[0], style="bold", markup=False, emoji=False)
    for line in lines[1:]:
        console.print(line, markup=False, emoji=False)


def aligned(
    rows: Sequence[Sequence[str]], numbers: Collection[str] = (), width: int | None = None
) -> list[str]:
    r"""Lines whose columns stand below each other.

    Args:
        rows: the names of the columns, and the texts of each row.
        numbers: names of columns that stand flush right.
        width: how long a line may be; None for any length.

    Example:
        >>> print(*aligned([["name", "n"], ["a", "10"], ["bcdef", "9"]], ["n"]), sep="\n")
        name    n
        a      10
        bcdef   9
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(widths[-1], MIN_LAST) if width is None else width - before
    lines = []
    for row in rows:
        cells = [
            text.rjust(n) if name in numbers else text.ljust(n)
            for name, text, n in zip(rows[0], row, widths, strict=True)
        ]
        fits = room >= min(widths[-1], MIN_LAST)
        head = "  ".join(cells if fits else cells[:-1])
        if fits:
            lines.append(_cut(head.rstrip(), width))
        else:
            below = f"\n    {row[-1]}" if row is not rows[0] and row[-1] else ""
            lines.append(head.rstrip() + _cut(below, width))
    return lines


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


class TerminalHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever ``sys.stderr`` is now, so that lines appear above a progress bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The present ``sys.stderr``."""
        return sys.stderr


class LogFile(logging.FileHandler):
    """A log that loses lines where the disk is full; the results, not the log, say so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Other errors than those of the file system are told as ever."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


@contextmanager
def lines_on_terminal() -> Iterator[None]:
    """What the package logs inside the block, a line each."""
    log, handler = logging.getLogger("scyan_exp"), TerminalHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def quiet_terminal() -> Iterator[None]:
    """Within the block only warnings and errors reach the terminal; files get every line."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, TerminalHandler)]
    levels = [one.level for one in handlers]
    for handler in handlers:
        handler.setLevel(max(handler.level, logging.WARNING))
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


def outlive_readers() -> None:
    """Let standard output and error outlive those who read them, where they are pipes."""
    sys.stdout = _outliving(sys.stdout)
    sys.stderr = _outliving(sys.stderr)


def _outliving(stream: TextIO) -> TextIO:
    with suppress(OSError, ValueError, AttributeError):  # no file: captured, or closed
        number = stream.fileno()
        if stat.S_ISFIFO(os.fstat(number).st_mode):
            return io.TextIOWrapper(
                io.BufferedWriter(_Pipe(number, "w", closefd=False)),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream is sys.stderr,
            )
    return stream


class _Pipe(io.FileIO):
    """A pipe that becomes the null device when nobody reads it any more."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for all who share the descriptor
            os.close(nowhere)
            return super().write(data)

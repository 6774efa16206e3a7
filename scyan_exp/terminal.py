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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def short_numbers(text: str) -> str:
    """The same with numbers of many digits rounded: a search draws them with 17.

    Example:
        >>> short_numbers("model.prior_std=0.28389983713 seed=3")
        'model.prior_std=0.2839 seed=3'
    """
    return re.sub(r"\d+\.\d{5,}(e-?\d+)?", lambda found: f"{float(found[0]):.4g}", text)


class TerminalHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever ``sys.stderr`` is now, so that lines appear above a progress bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The present ``sys.stderr``."""
        return sys.stderr


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

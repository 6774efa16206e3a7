"""Standard output into a pipe whose reader may go away before the work is done.

``scyan-exp train -m ... | head`` or a ``tee`` that is killed: the results are in files, so a run
of hours goes on without its output.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


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

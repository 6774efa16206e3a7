"""Ctrl-C and SIGTERM while jobs run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: What a terminal or a cluster sends to end a program.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at each signal within the block, instead of what they do otherwise."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    before = {}
    for number in SIGNALS:
        try:
            before[number] = signal.signal(number, handle)
        except ValueError:  # not the main thread: signals go to another
            break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

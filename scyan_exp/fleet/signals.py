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


@contextmanager
def signals_wait() -> Iterator[Callable[[], None]]:
    """Within the block a signal waits for the next call of what this gives.

    Python raises KeyboardInterrupt wherever it happens to be: in a destructor or a callback of a
    parser, which drop exceptions, Ctrl-C would be lost.

    Raises:
        KeyboardInterrupt: when called, or at the end of the block, if a signal has come.
    """
    came: list[bool] = []

    def stop_if_asked() -> None:
        if came:
            raise KeyboardInterrupt

    with on_signal(lambda: came.append(True)):
        yield stop_if_asked
    stop_if_asked()

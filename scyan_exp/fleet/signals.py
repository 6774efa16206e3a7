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
    """Within the block, each signal calls ``stop`` and does nothing else."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    before = {}
    for number in SIGNALS:
        try:
            before[number] = signal.signal(number, handle)
        except ValueError:  # only the main thread gets signals
            break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_wait() -> Iterator[Callable[[], None]]:
    """Let signals wait within the block until the function that this yields is called.

    Python raises KeyboardInterrupt wherever it happens to be. In a destructor or a callback of a
    parser, which drop exceptions, Ctrl-C would be lost.

    Raises:
        KeyboardInterrupt: from that function, or at the end of the block, if a signal has arrived.
    """
    came: list[bool] = []

    def stop_if_asked() -> None:
        if came:
            raise KeyboardInterrupt

    with on_signal(lambda: came.append(True)):
        yield stop_if_asked
    stop_if_asked()

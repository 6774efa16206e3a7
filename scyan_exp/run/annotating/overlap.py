"""Reading, computing and writing at the same time, block by block."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

Span = tuple[int, int]
Block = TypeVar("Block")
Result = TypeVar("Result")

#: Blocks that are read ahead.
AHEAD = 2


@dataclass
class Busy:
    """Seconds in which each of the three was at work; they overlap.

    Attributes:
        reading: in the thread that reads.
        computing: in the main thread.
        writing: in the thread that writes.
        total: from the first block to the last.
    """

    reading: float = 0.0
    computing: float = 0.0
    writing: float = 0.0
    total: float = 0.0


def overlapped(
    spans: Iterable[Span],
    read: Callable[[Span], Block],
    compute: Callable[[Span, Block], Result],
    write: Callable[[Span, Result], object],
    behind: int,
) -> Busy:
    """Read, compute and write each span; an error in any of them ends all.

    Args:
        spans: first cell and the one after the last, in order.
        read: reads a span; runs in a thread of its own, in order.
        compute: makes of a block what is written; runs in the calling thread.
        write: writes; runs in a thread of its own, in order.
        behind: results that may wait to be written, at most.
    """
    busy, begun, rest = Busy(), time.perf_counter(), iter(spans)
    reading, writing = ThreadPoolExecutor(1, "reading"), ThreadPoolExecutor(1, "writing")
    try:
        coming: deque[tuple[Span, Future[Block]]] = deque()
        waiting: deque[Future[None]] = deque()

        def read_ahead() -> None:
            for span in rest:
                coming.append((span, reading.submit(_timed, busy, "reading", read, span)))
                if len(coming) >= AHEAD:
                    return

        read_ahead()
        while coming:
            span, future = coming.popleft()
            block = future.result()
            read_ahead()
            result = _timed(busy, "computing", compute, span, block)
            waiting.append(writing.submit(_timed, busy, "writing", write, span, result))  # type: ignore[arg-type]
            del block, result, future
            while waiting and (len(waiting) > behind or waiting[0].done()):
                waiting.popleft().result()
        while waiting:
            waiting.popleft().result()
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown(cancel_futures=True)
    busy.total = time.perf_counter() - begun
    return busy


def _timed(busy: Busy, name: str, work: Callable[..., Result], *arguments: object) -> Result:
    begun = time.perf_counter()
    try:
        return work(*arguments)
    finally:
        setattr(busy, name, getattr(busy, name) + time.perf_counter() - begun)

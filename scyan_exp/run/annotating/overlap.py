"""Reading, computing and writing at the same time, block by block."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")

#: Blocks that are read ahead.
AHEAD = 2


@dataclass
class Busy:
    """Seconds in which reading, computing and writing were at work; they overlap.

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
    blocks: Iterator[Block],
    compute: Callable[[Block], Result],
    write: Callable[[Result], object],
    behind: int,
) -> Busy:
    """Read, compute and write each block; an error in one of the three ends all.

    Args:
        blocks: reads the blocks, in a thread of its own.
        compute: turns a block into what is written, in the calling thread and in order.
        write: writes, in a thread of its own and in order. After an error nothing more is written.
        behind: the most results that may wait to be written.
    """
    busy, begun = Busy(), time.perf_counter()
    writer = _Writer(write)
    reading, writing = ThreadPoolExecutor(1, "reading"), ThreadPoolExecutor(1, "writing")

    def read() -> Future[Block | None]:
        return reading.submit(_timed, busy, "reading", next, blocks, None)

    try:
        coming = deque(read() for _ in range(AHEAD))
        waiting: deque[Future[None]] = deque()
        while (block := coming.popleft().result()) is not None:
            coming.append(read())
            result = _timed(busy, "computing", compute, block)
            waiting.append(writing.submit(_timed, busy, "writing", writer, result))
            del block, result
            while waiting and (len(waiting) > behind or waiting[0].done()):
                waiting.popleft().result()
        while waiting:
            waiting.popleft().result()
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown(cancel_futures=True)
    busy.total = time.perf_counter() - begun
    return busy


class _Writer(Generic[Result]):
    """Writes until an error.

    The results that wait then must not be written: there would be a hole before them.
    """

    def __init__(self, write: Callable[[Result], object]) -> None:
        self._write = write
        self._failure: BaseException | None = None

    def __call__(self, result: Result) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            self._write(result)
        except BaseException as failure:
            self._failure = failure
            raise


def _timed(busy: Busy, name: str, work: Callable[..., Result], *arguments: object) -> Result:
    begun = time.perf_counter()
    try:
        return work(*arguments)
    finally:
        setattr(busy, name, getattr(busy, name) + time.perf_counter() - begun)

"""Work that goes on beside a run's own, in a thread.

It pays for what waits for others: W&B starts a process, while the compiled model computes. It does
not pay for imports and figures: they hold Python's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Beside:
    """Calls in a thread of their own, one after the other.

    When one fails, those after it are not made, and whoever asks for anything next gets its error.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._last: Future[None] | None = None
        self._error: Exception | None = None

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Make a call after those before it; do not wait for it.

        Raises:
            Exception: that of an earlier call.
        """
        self._tell()
        self._last = self._thread.submit(self._make, call, arguments)

    def wait(self) -> None:
        """Wait until all calls are made.

        Raises:
            Exception: that of a call.
        """
        if self._last is not None:
            self._last.result()
        self._tell()

    def close(self) -> None:
        """End the thread, when its calls are made."""
        self._thread.shutdown()

    def _make(self, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self._error is not None:
            return
        try:
            call(*arguments)
        except Exception as error:
            self._error = error

    def _tell(self) -> None:
        if self._error is not None:
            raise self._error

"""Work that goes on in a thread, beside that of the run.

It saves time for work that waits for others: W&B starts a process while the compiled model
computes. It saves none for imports and figures, which hold Python's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Beside:
    """Makes calls in a thread, one after the other.

    When one fails, later ones are not made, and the next use of this object raises its error.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._last: Future[None] | None = None
        self._error: Exception | None = None

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Make a call after all earlier ones, without waiting for it.

        Raises:
            Exception: the error of an earlier call.
        """
        self._tell()
        self._last = self._thread.submit(self._make, call, arguments)

    def wait(self) -> None:
        """Wait until all calls are made.

        Raises:
            Exception: the error of a call.
        """
        if self._last is not None:
            self._last.result()
        self._tell()

    def close(self) -> None:
        """End the thread once its calls are made."""
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

"""Ending a run early without losing it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytorch_lightning as pl

log = logging.getLogger(__name__)


class StoppedAtOnce(BaseException):
    """A second Ctrl-C. (Lightning would turn a KeyboardInterrupt into ``sys.exit(1)``.)"""


@contextmanager
def stopped_as_asked() -> Iterator[None]:
    """Around a fit: whenever and however Ctrl-C ends it, it ends with a KeyboardInterrupt."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except StoppedAtOnce as error:
        raise KeyboardInterrupt("stopped at once") from error
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        # Before the training starts, Lightning handles Ctrl-C by itself, and ignores it from then
        # on.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt("stopped before the training") from error


class Interrupt(pl.Callback):
    """Ctrl-C (or SIGTERM) lets the epoch end and stops; a second Ctrl-C stops at once.

    Attributes:
        requested: whether a signal arrived during the fit.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals from Lightning; only the main thread may do that."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop after this epoch if a signal has arrived."""
        # The processes of one run stop together, whichever of them got the signal.
        self.requested = trainer.strategy.reduce_boolean_decision(self.requested, all=False)
        if self.requested:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the signals back, before Lightning gives its own back."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Give the signals back."""
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise StoppedAtOnce
        self.requested = True
        log.warning(
            "%s: stopping after this epoch, then annotating (Ctrl-C again to stop at once)",
            "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name,
        )

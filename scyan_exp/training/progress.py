"""Showing how a run advances: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import logging
import sys
import time

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scyan_exp.training.saving import AfterEpoch
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)


#: Seconds between two updates of the bar.
REFRESH = 0.1


class ShowProgress(AfterEpoch):
    """A bar that advances with the batches, or a line per epoch."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._shown = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar, if somebody is looking."""
        if not trainer.is_global_zero or not sys.stderr.isatty():
            return
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]} of at most {task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.fields[measured]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        n_batches, epoch = int(trainer.num_training_batches), trainer.current_epoch
        self._task = self._bar.add_task(
            "",
            total=n_batches * (trainer.max_epochs or 1),
            completed=n_batches * epoch,
            epoch=epoch + 1,
            epochs=trainer.max_epochs,
            measured="",
        )
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        """Advance the bar, a few times a second at most."""
        if self._bar is not None and time.monotonic() > self._shown + REFRESH:
            self._shown = time.monotonic()
            epoch = trainer.current_epoch + 1
            self._bar.update(self._task, completed=trainer.global_step, epoch=epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show what the epoch measured."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Scyan)
        metrics = pl_module.epoch_metrics
        measured = f"loss {metrics['loss']:8.4f}  "
        if "table_agreement" in metrics:
            measured += f"agreement {metrics['table_agreement']:.3f}  "
        measured += f"{metrics['cells_per_second']:,.0f} cells/s"
        if metrics["use_temperature"] > 0:  # their loss is another quantity, and would seem to jump
            measured += "  (temperature)"
        if self._bar is None:
            log.info("epoch %3d/%d  %s", trainer.current_epoch + 1, trainer.max_epochs, measured)
        else:
            self._bar.update(self._task, completed=trainer.global_step, measured=measured)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remove the bar."""
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Remove the bar before anything else is printed."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

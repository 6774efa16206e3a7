"""Showing how a run advances: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import logging
import sys

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scyan_exp.training.saving import AfterEpoch
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)


class ShowProgress(AfterEpoch):
    """One update an epoch, whatever the number of batches."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar, if somebody is looking."""
        if not trainer.is_global_zero or not sys.stderr.isatty():
            return
        self._bar = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[measured]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(
            "", total=trainer.max_epochs, completed=trainer.current_epoch, measured=""
        )
        self._bar.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Advance the bar, or write a line."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Scyan)
        metrics = pl_module.epoch_metrics
        measured = f"loss {metrics['loss']:8.4f}  {metrics['cells_per_second']:,.0f} cells/s"
        if self._bar is None:
            log.info("epoch %3d/%d  %s", trainer.current_epoch + 1, trainer.max_epochs, measured)
        else:
            self._bar.update(self._task, advance=1, measured=measured)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

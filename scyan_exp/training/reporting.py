"""Reporting epochs to a search, which may end the run."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl

from scyan_exp.training.saving import AfterEpoch
from scyan_exp.training.scyan import Scyan


class ReportEpochs(AfterEpoch):
    """Measures each epoch after the warm-up, reports the value, and stops when told to.

    Args:
        measure: the value of a model.
        report: takes an epoch and its value; returns whether to stop.

    Attributes:
        pruned: whether the run was told to stop.
    """

    def __init__(
        self, measure: Callable[[Scyan], float], report: Callable[[int, float], bool]
    ) -> None:
        self._measure, self._report = measure, report
        self.pruned = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the epoch that has just ended."""
        assert isinstance(pl_module, Scyan)
        if trainer.current_epoch < pl_module.warm_up_epochs:
            return  # its prior is another
        if self._report(trainer.current_epoch, self._measure(pl_module)):
            self.pruned = trainer.should_stop = True

"""Reporting epochs to whoever asked for the run and may end it, such as a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import pytorch_lightning as pl

from scyan_exp.training.saving import AfterEpoch
from scyan_exp.training.scyan import Scyan


class Reporter(Protocol):
    """Takes the value of each epoch and says whether to go on; a trial of a search is one."""

    @property
    def monitor(self) -> str:
        """What to report: ``objective``, measured on some of the cells, or ``loss``."""

    def report(self, epoch: int, value: float) -> bool:
        """Take the value of an epoch; return whether the training should stop."""

    def is_decided(self, values: Sequence[float], n_repeats: int) -> bool:
        """Take the objectives of the finished repeats; return whether no more are wanted."""


class ReportEpochs(AfterEpoch):
    """Measures epochs, reports the value, and stops when told to.

    Epochs of the warm-up have another prior, and those with the temperature have another loss. None
    of them can be the best epoch, whose weights annotate, so they are not reported.

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
        epoch = trainer.current_epoch
        if epoch < pl_module.warm_up_epochs or pl_module.uses_temperature(epoch):
            return
        if self._report(epoch, self._measure(pl_module)):
            self.pruned = trainer.should_stop = True

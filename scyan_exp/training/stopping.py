"""Stopping when the loss no longer improves."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from scyan_exp.training.scyan import Scyan


class EarlyStopping(pl.callbacks.EarlyStopping):
    """Lightning's, starting afresh when the warm-up ends.

    The prior of the warm-up is wider, so its losses and later ones are not comparable: a run of
    few batches an epoch would stop at the step between them, far from trained.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint, with the patience of the present config."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further if the resumed run had stopped."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare with the best epoch so far of the same prior."""
        assert isinstance(pl_module, Scyan)
        if trainer.current_epoch == pl_module.warm_up_epochs:
            sign = 1 if self.monitor_op is torch.lt else -1
            self.best_score, self.wait_count = torch.tensor(sign * torch.inf), 0
        super().on_train_epoch_end(trainer, pl_module)

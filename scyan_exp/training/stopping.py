"""Stopping when the loss no longer improves, or agreement with the table stays low."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from scyan_exp.training.choosing import epochs_since_agreement
from scyan_exp.training.scyan import Scyan


class EarlyStopping(pl.callbacks.EarlyStopping):
    """Lightning's early stopping, which starts afresh when the warm-up ends.

    The prior is wider in the warm-up, so its losses cannot be compared with later ones. A run of
    few batches per epoch would stop at the step between them, long before it is trained.

    It also stops when the agreement with the table has fallen and stayed low. From then on only
    past epochs can annotate (see :mod:`scyan_exp.training.choosing`), however far the loss still
    falls.

    Args:
        agreement_patience: epochs in a row whose agreement is too low before it stops.
        arguments: those of Lightning's ``EarlyStopping``.
    """

    def __init__(self, *arguments: Any, agreement_patience: int = 10, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.agreement_patience = agreement_patience
        self._agreements: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Lightning's state, and the agreement of all epochs."""
        return {**super().state_dict(), "agreements": list(self._agreements)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint, with the patience of the present config."""
        self._agreements = list(state_dict.get("agreements", []))
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further if the resumed run had stopped."""
        assert isinstance(pl_module, Scyan)
        if self.wait_count >= self.patience or self.has_left(pl_module):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare with the best epoch so far of the same prior."""
        assert isinstance(pl_module, Scyan)
        if trainer.current_epoch == pl_module.warm_up_epochs:
            sign = 1 if self.monitor_op is torch.lt else -1
            self.best_score, self.wait_count = torch.tensor(sign * torch.inf), 0
        super().on_train_epoch_end(trainer, pl_module)
        agreement = pl_module.epoch_metrics.get("table_agreement")
        if agreement is not None:
            row = {"epoch": trainer.current_epoch, "table_agreement": agreement}
            self._agreements.append(row)
        if self.has_left(pl_module):
            trainer.should_stop = True

    def has_left(self, model: Scyan) -> bool:
        """Whether the agreement has been too low for too long."""
        tolerance = model.hparams["agreement_tolerance"]
        n_epochs = epochs_since_agreement(self._agreements, model.warm_up_epochs, tolerance)
        return n_epochs >= self.agreement_patience

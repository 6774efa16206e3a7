"""Why a training ended."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from scyan_exp.training.interrupt import Interrupt
from scyan_exp.training.reporting import ReportEpochs
from scyan_exp.training.scyan import Scyan
from scyan_exp.training.stopping import EarlyStopping


def why_ended(trainer: pl.Trainer, model: Scyan, n_epochs: int) -> str:
    """Why a training has ended, as the end of a sentence.

    It is read from what checkpoints keep, so a run that was cut off and went on tells the same.

    Args:
        trainer: after its fit.
        model: what it trained.
        n_epochs: the epochs so far, also those before a resume.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Interrupt) and callback.requested:
            return "it was interrupted"
        if isinstance(callback, ReportEpochs) and callback.pruned:
            return "the search stopped it"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, pl.callbacks.EarlyStopping):
            reason = _why_stopped(callback, model)
            if reason is not None:
                return reason
    return _limit(trainer, n_epochs) or "a callback asked for it"


def _why_stopped(stopping: pl.callbacks.EarlyStopping, model: Scyan) -> str | None:
    """What early stopping saw; None if it was content."""
    if isinstance(stopping, EarlyStopping) and stopping.has_left(model):
        n_epochs = stopping.agreement_patience
        return f"the agreement with the table had been too low for {_epochs(n_epochs)}"
    if stopping.wait_count >= stopping.patience:
        by = f" by {abs(stopping.min_delta):g}" if stopping.min_delta else ""
        return f"the {stopping.monitor} had not improved{by} for {_epochs(stopping.patience)}"
    if stopping.stopping_reason in (
        EarlyStoppingReason.STOPPING_THRESHOLD,
        EarlyStoppingReason.DIVERGENCE_THRESHOLD,
    ):
        return f"the {stopping.monitor} had passed its threshold"
    return None


def _limit(trainer: pl.Trainer, n_epochs: int) -> str | None:
    """The limit of the trainer that was reached."""
    most = trainer.max_epochs
    if most is not None and 0 <= most <= n_epochs:
        return f"it had trained all {_epochs(most)} (trainer.max_epochs)"
    if 0 <= trainer.max_steps <= trainer.global_step:
        return "it had reached trainer.max_steps"
    if any(isinstance(one, pl.callbacks.Timer) for one in trainer.callbacks):  # type: ignore[attr-defined]
        return "it had reached trainer.max_time"
    return None


def _epochs(n: int) -> str:
    return f"{n} epoch{'' if n == 1 else 's'}"

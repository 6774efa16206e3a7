"""Why a training ended: each reason in words."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping as PlainStopping

from scyan_exp.training.ending import why_ended
from scyan_exp.training.interrupt import Interrupt
from scyan_exp.training.reporting import ReportEpochs
from tests.training.conftest import fit, make_model
from tests.training.test_stopping import Agreeing, stopping


class Asking(pl.Callback):
    """Asks for the end after the first epoch."""

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = True


class Signalled(Interrupt):
    """A signal arrives in the first epoch."""

    def on_train_epoch_start(self, trainer, pl_module):
        self.requested = True


LOSS = {"monitor": "loss", "check_on_train_epoch_end": True}
REASONS = {
    "all epochs": (lambda: [], {}, "it had trained all 3 epochs (trainer.max_epochs)"),
    "one epoch": (lambda: [], {"max_epochs": 1}, "it had trained all 1 epoch (trainer.max_epochs)"),
    "steps": (lambda: [], {"max_steps": 4}, "it had reached trainer.max_steps"),
    "time": (lambda: [], {"max_time": {"seconds": 0}}, "it had reached trainer.max_time"),
    "patience": (
        lambda: [stopping(1, min_delta=1000)],
        {},
        "the loss had not improved by 1000 for 1 epoch",
    ),
    "patience with Lightning's own": (
        lambda: [PlainStopping(**LOSS, patience=2, mode="max", min_delta=1000)],
        {"max_epochs": 9},
        "the loss had not improved by 1000 for 2 epochs",
    ),
    "agreement": (
        lambda: [Agreeing([0.9, 0.5], agreement_patience=2)],
        {"max_epochs": 9},
        "the agreement with the table had been too low for 2 epochs",
    ),
    "threshold": (
        lambda: [stopping(5, stopping_threshold=1e6)],
        {},
        "the loss had passed its threshold",
    ),
    "a signal": (lambda: [Signalled()], {}, "it was interrupted"),
    "a search": (
        lambda: [ReportEpochs(lambda _: 0.0, lambda *_: True)],
        {"enable_checkpointing": True},
        "the search stopped it",
    ),
    "something else": (lambda: [Asking()], {}, "a callback asked for it"),
}


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_is_told(cells, name):
    make_callbacks, options, expected = REASONS[name]
    model = make_model(cells, warm_up=None)
    trainer = fit(model, cells, callbacks=make_callbacks(), **{"max_epochs": 3, **options})
    assert why_ended(trainer, model, trainer.current_epoch) == expected

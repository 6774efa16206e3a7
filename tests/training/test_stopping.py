"""Stopping when the loss no longer improves."""

from __future__ import annotations

import pytest

from scyan_exp.training.stopping import EarlyStopping
from tests.training.conftest import fit, make_model


def stopping(patience: int, **options) -> EarlyStopping:
    return EarlyStopping("loss", patience=patience, check_on_train_epoch_end=True, **options)


def test_the_rise_of_the_loss_at_the_end_of_the_warm_up_does_not_stop_a_run(cells):
    """From a very wide prior to a narrow one: no later loss comes near those of the warm-up."""
    model = make_model(cells, warm_up=(0.9, 3), prior_std=0.1, modulo_temp=1)
    losses: list[float] = []

    class Watching(EarlyStopping):
        def on_train_epoch_end(self, trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)
            losses.append(pl_module.epoch_metrics["loss"])

    watching = Watching("loss", patience=2, check_on_train_epoch_end=True)
    trainer = fit(model, cells, max_epochs=8, callbacks=[watching])
    assert min(losses[3:]) > max(losses[:3])
    assert trainer.current_epoch == 8
    assert watching.best_score == pytest.approx(min(losses[3:]))


@pytest.mark.parametrize(("warm_up", "n_epochs"), [(None, 3), ((0.35, 1), 4), ((0.35, 2), 5)])
def test_patience_counts_from_the_end_of_the_warm_up(cells, warm_up, n_epochs):
    """Nothing ever improves enough, so a run stops ``patience`` epochs after it starts afresh."""
    model = make_model(cells, warm_up=warm_up)
    trainer = fit(model, cells, max_epochs=20, callbacks=[stopping(2, min_delta=1e6)])
    assert trainer.current_epoch == n_epochs


def test_a_rise_of_the_loss_in_the_warm_up_stops_a_run(cells):
    model = make_model(cells, warm_up=(0.35, 9))
    trainer = fit(model, cells, max_epochs=20, callbacks=[stopping(2, min_delta=1e6)])
    assert trainer.current_epoch == 3

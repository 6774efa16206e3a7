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


class Agreeing(EarlyStopping):
    """Told other agreements than the model's."""

    def __init__(self, agreements: list[float], **options) -> None:
        super().__init__("loss", patience=99, check_on_train_epoch_end=True, **options)
        self.told = agreements

    def on_train_epoch_end(self, trainer, pl_module):
        told = self.told[min(trainer.current_epoch, len(self.told) - 1)]
        pl_module.epoch_metrics["table_agreement"] = told
        super().on_train_epoch_end(trainer, pl_module)


@pytest.mark.parametrize(
    ("tolerance", "patience", "n_epochs"), [(0.01, 3, 6), (0.01, 5, 8), (0.5, 3, 12), (None, 3, 12)]
)
def test_a_run_whose_cells_have_left_the_table_stops(cells, tolerance, patience, n_epochs):
    """The agreement is highest up to epoch 2, and low from then on."""
    model = make_model(cells, warm_up=(0.35, 1), agreement_tolerance=tolerance)
    leaving = Agreeing([0.9, 0.9, 0.895, 0.6], agreement_patience=patience)
    assert fit(model, cells, max_epochs=12, callbacks=[leaving]).current_epoch == n_epochs


def test_an_agreement_that_comes_back_stops_nothing(cells):
    model = make_model(cells, warm_up=None)
    back = Agreeing([0.9, 0.5, 0.5, 0.9, 0.5, 0.5, 0.9], agreement_patience=3)
    assert fit(model, cells, max_epochs=9, callbacks=[back]).current_epoch == 9


def test_how_long_the_agreement_has_been_low_is_kept(cells):
    model = make_model(cells, warm_up=None)
    first = Agreeing([0.9, 0.5], agreement_patience=3)
    assert fit(model, cells, max_epochs=9, callbacks=[first]).current_epoch == 4
    resumed = Agreeing([0.5], agreement_patience=3)
    resumed.load_state_dict(first.state_dict())
    trainer = fit(make_model(cells, warm_up=None), cells, max_epochs=9, callbacks=[resumed])
    assert trainer.current_epoch <= 1

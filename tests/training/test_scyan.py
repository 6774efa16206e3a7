"""The LightningModule that users name."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from scyan_exp import Scyan
from scyan_exp.errors import InputError, TrainingDiverged
from scyan_exp.metrics.agreement import table_agreement
from scyan_exp.module.reference import copy_reference_weights
from scyan_exp.results.annotation import predict_cells
from tests.conftest import small_adata
from tests.reference import scyan as reference
from tests.training.conftest import SMALL, fit, make_model, make_trainer


def test_training_lowers_the_loss_and_finds_the_populations(cells):
    model = make_model(cells, lr=2e-3, n_layers=4, n_hidden_layers=4, hidden_size=16)
    losses = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            losses.append(getattr(pl_module, "epoch_metrics", {"loss": math.inf})["loss"])

    fit(model, cells, max_epochs=20, callbacks=[Watch()])
    assert losses[-1] < losses[1]
    prediction = model.predict_step((cells.x, cells.covariates))
    names = [cells.table.populations[i] for i in prediction.population]
    assert sum(a == b for a, b in zip(names, cells.labels, strict=True)) > 0.9 * len(names)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("seed", [0, 4, 6])
@pytest.mark.parametrize(("compiled", "tolerance"), [(False, 1e-5), (True, 1e-3)])
def test_three_epochs_of_the_reference_end_at_the_same_weights(
    cells, table, monkeypatch, compiled, tolerance, seed
):
    """The reference's own class and training, its weights and batches handed to ours.

    Without warm-up: in version 1.8.0 it never takes effect, because Lightning collects the
    hyperparameters of the outer class over those of the inner one, ``prior_std`` among them.
    """
    # The plain model rounds as the reference does. The compiled one is as exact and rounds
    # otherwise, and where a gradient is next to nothing Adam makes a whole step of that.
    if not compiled:
        monkeypatch.setattr("scyan_exp.training.scyan.fused", lambda module: None)
    torch.manual_seed(seed)  # the reference draws its weights and its batches from here
    adata = small_adata()[:, table.markers].copy()
    adata.X = cells.x.numpy()
    frame = pd.DataFrame(table.rho, index=table.populations, columns=table.markers)
    theirs = reference.Scyan(adata, frame, batch_key="batch", warm_up=None, **SMALL)
    ours = make_model(cells, warm_up=None)
    copy_reference_weights(theirs.state_dict(), ours.module)
    batches: list[torch.Tensor] = []

    class Recorder(torch.utils.data.Sampler):
        def __init__(self, n_obs, n_samples):
            self.n_obs, self.n_samples = n_obs, n_samples

        def __iter__(self):
            order = torch.randperm(self.n_obs)[: self.n_samples]
            batches.extend(order.split(SMALL["batch_size"]))
            yield from order

        def __len__(self):
            return self.n_samples

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scyan.model.RandomSampler", Recorder)
        theirs.fit(max_epochs=3, enable_progress_bar=False, enable_model_summary=False)

    class Replay:
        """The batches of the reference, epoch by epoch."""

        sampler = type("Sampler", (), {"cells_per_step": SMALL["batch_size"]})()

        def __init__(self):
            self.epochs = iter(range(3))

        def __len__(self):
            return 6

        def __iter__(self):
            first = 6 * next(self.epochs)
            for indices in batches[first : first + 6]:
                yield cells.x[indices], cells.covariates[indices]

    make_trainer(3).fit(ours, train_dataloaders=Replay())
    trained = {name: value.clone() for name, value in ours.module.named_parameters()}
    copy_reference_weights(theirs.state_dict(), ours.module)
    for name, value in ours.module.named_parameters():
        torch.testing.assert_close(trained[name], value, rtol=0, atol=tolerance, msg=name)


def test_same_seed_same_model(cells):
    models = [make_model(cells, seed=seed) for seed in (0, 0, 1)]
    for model in models:
        fit(model, cells, max_epochs=3)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in models]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_run_beside_others_gives_the_same_result(cells):
    """Nothing is drawn from the global generator."""
    first = make_model(cells)
    fit(first, cells, max_epochs=2)
    torch.manual_seed(1234)
    second = make_model(cells)
    torch.rand(100)
    fit(second, cells, max_epochs=2)
    assert torch.equal(first.module.pi_logit, second.module.pi_logit)


def test_checkpoint_restores_the_model_without_the_data(cells, tmp_path):
    model = make_model(cells, continuum_markers=["CD4"], warm_up=None)
    trainer = fit(model, cells)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = Scyan.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert dict(loaded.hparams) == dict(model.hparams)
    assert loaded.table.markers == cells.table.markers
    assert loaded.table.levels == cells.table.levels
    assert loaded.preprocessing == cells.preprocessing
    assert loaded.encoding == cells.encoding
    batch = (cells.x, cells.covariates)
    for ours, theirs in zip(loaded.predict_step(batch), model.predict_step(batch), strict=True):
        assert torch.equal(ours, theirs)


def test_early_stopping_watches_the_loss(cells):
    stop = EarlyStopping("loss", min_delta=1e6, patience=2, check_on_train_epoch_end=True)
    trainer = fit(make_model(cells), cells, max_epochs=50, callbacks=[stop])
    assert trainer.current_epoch == 3


@pytest.mark.parametrize(
    ("warm_up", "expected"),
    [
        ((0.35, 4), [0.35, 0.35, 0.35, 0.35, 0.3, 0.3]),
        ((0.2, 4), [0.3] * 6),  # never below prior_std
        (None, [0.3] * 6),
    ],
)
def test_warm_up(cells, warm_up, expected):
    model = make_model(cells, warm_up=warm_up)
    assert [model.prior_std_at(epoch) for epoch in range(6)] == expected
    fit(model, cells, max_epochs=5)
    assert model.module.prior.prior_std.item() == expected[4]


def test_temperature_epochs(cells):
    model = make_model(cells, modulo_temp=3)
    assert [model.uses_temperature(e) for e in range(6)] == [False, True, True] * 2
    assert not any(make_model(cells, modulo_temp=1).uses_temperature(e) for e in range(6))


def test_a_loss_that_is_not_finite_ends_the_training(cells):
    with pytest.raises(TrainingDiverged, match=r"the loss became .* in epoch \d+: try a smaller"):
        fit(make_model(cells, lr=1e25), cells, max_epochs=20)


def test_unknown_continuum_markers_are_refused(cells):
    with pytest.raises(InputError, match=r"'CD40' is not in the table\. Did you mean 'CD4'"):
        make_model(cells, continuum_markers=["CD40"])


def test_most_defaults_are_those_of_the_reference(table):
    model = Scyan(table)
    expected = {"hidden_size": 16, "n_hidden_layers": 6, "n_layers": 7, "prior_std": 0.3}
    expected |= {"lr": 5e-4, "temperature": 0.5, "modulo_temp": 3}
    expected |= {"warm_up": [0.35, 4], "max_samples": 200_000}
    assert {name: model.hparams[name] for name in expected} == expected


def test_each_epoch_has_the_agreement_of_the_cells_with_the_table(cells):
    """With few cells all are watched, so it is that of the whole annotation."""
    model = make_model(cells)
    trainer = fit(model, cells, max_epochs=3)
    annotation = predict_cells(model, cells.x, cells.covariates)
    expected = table_agreement(cells.x.numpy(), annotation.population, cells.table.rho)
    assert model.epoch_metrics["table_agreement"] == pytest.approx(expected, abs=1e-6)
    assert trainer.callback_metrics["table_agreement"].item() == pytest.approx(expected, abs=1e-6)


def test_by_default_the_flow_starts_as_the_identity(cells):
    model = make_model(cells)
    u, _, ldj = model.module(cells.x, cells.covariates)
    torch.testing.assert_close(u, cells.x)
    assert ldj.abs().max() == 0
    random = make_model(cells, init="reference")
    assert (random.module(cells.x, cells.covariates)[0] - cells.x).abs().max() > 0.1

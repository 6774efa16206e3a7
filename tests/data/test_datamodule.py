"""Batches: which cells, in which order, shared out how."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp import Scyan
from scyan_exp.data import CellDataModule, H5adDataset, load_table, prepare_cells
from scyan_exp.data.datamodule import BatchLoader, CellSampler, ChunkLoader, automatic_batch_size
from scyan_exp.results.annotation import predict_cells
from tests.conftest import small_adata

#: What a trainer says of a small run in one process on the CPU; nothing a user would change.
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
#: What Lightning's own code does with torch's.
LIGHTNING = "ignore:.*LeafSpec:FutureWarning"

epochs = st.builds(
    dict,
    n_cells=st.integers(1, 200),
    batch_size=st.integers(1, 80),
    max_samples=st.none() | st.integers(1, 250),
    seed=st.integers(0, 2**32 - 1),
)


def batches_of(sampler: CellSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    batches = [batch.tolist() for batch in sampler]
    assert len(batches) == len(sampler)
    return batches


def flat(batches: list[list[int]]) -> list[int]:
    return [cell for batch in batches for cell in batch]


@settings(deadline=None)
@given(epoch=epochs)
def test_an_epoch_is_whole_batches_of_cells_seen_once(epoch):
    batches = batches_of(CellSampler(**epoch))
    drawn = min(epoch["n_cells"], epoch["max_samples"] or epoch["n_cells"])
    size = min(epoch["batch_size"], drawn)
    assert {len(batch) for batch in batches} == {size}
    assert len(batches) == drawn // size
    cells = flat(batches)
    assert len(set(cells)) == len(cells) <= drawn
    assert set(cells) <= set(range(epoch["n_cells"]))


@settings(deadline=None)
@given(epoch=epochs, world_size=st.integers(1, 5))
def test_processes_see_other_cells_in_equal_parts(epoch, world_size):
    drawn = min(epoch["n_cells"], epoch["max_samples"] or epoch["n_cells"])
    share = min(epoch["batch_size"], drawn) // world_size
    if share == 0:
        with pytest.raises(ValueError, match=f"cells a step for {world_size} processes"):
            CellSampler(**epoch, world_size=world_size)
        return
    samplers = [CellSampler(**epoch, rank=r, world_size=world_size) for r in range(world_size)]
    ranks = [batches_of(sampler) for sampler in samplers]
    assert {len(batch) for rank in ranks for batch in rank} == {share}
    assert len({len(rank) for rank in ranks}) == 1
    cells = flat([flat(rank) for rank in ranks])
    assert len(set(cells)) == len(cells) <= drawn


@settings(deadline=None, max_examples=50)
@given(share=st.integers(1, 20), world_size=st.integers(1, 5), seed=st.integers(0, 99))
def test_parts_of_the_processes_are_the_batch_of_a_single_one(share, world_size, seed):
    arguments = (203, share * world_size, None, seed)
    alone = batches_of(CellSampler(*arguments), epoch=2)
    ranks = [batches_of(CellSampler(*arguments, r, world_size), epoch=2) for r in range(world_size)]
    together = [flat(list(parts)) for parts in zip(*ranks, strict=True)]
    assert together == alone


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 1000))
def test_the_order_depends_on_seed_and_epoch_alone(seed, epoch):
    used = CellSampler(100, 10, None, seed)
    batches_of(used, epoch=7)
    order = batches_of(used, epoch)
    assert order == batches_of(CellSampler(100, 10, None, seed), epoch)
    assert order != batches_of(used, epoch + 1)
    assert order != batches_of(CellSampler(100, 10, None, seed + 1), epoch)


def test_every_cell_is_drawn_as_often_as_any_other():
    sampler = CellSampler(50, 10, 20, seed=0)
    counts = np.bincount(flat([flat(batches_of(sampler, e)) for e in range(1000)]), minlength=50)
    assert counts.sum() == 20_000
    assert abs(counts - 400).max() < 5 * np.sqrt(1000 * 0.4 * 0.6)


def test_fewer_cells_than_a_batch_are_one_batch():
    assert len(flat(batches_of(CellSampler(7, 100, None, 0)))) == 7
    assert [len(batch) for batch in batches_of(CellSampler(70, 100, 30, 0))] == [30]


@pytest.mark.parametrize(
    ("n_cells", "batch_size", "world_size", "message"),
    [
        (3, 100, 4, "3 cells a step for 4 processes"),
        (100, 2, 3, "2 cells a step for 3 processes"),
        (0, 10, 1, "0 cells a step for 1 processes"),
    ],
)
def test_fewer_cells_than_processes_are_refused(n_cells, batch_size, world_size, message):
    with pytest.raises(ValueError, match=message):
        CellSampler(n_cells, batch_size, None, 0, 0, world_size)


def test_batches_hold_the_cells_of_the_sampler():
    x = torch.arange(100.0)[:, None] * torch.tensor([1.0, 10.0, 100.0])
    covariates = -torch.arange(100.0)[:, None]
    loader = BatchLoader(x, covariates, CellSampler(100, 16, None, 0))
    order = batches_of(loader.sampler)
    assert len(loader) == len(order) == 6
    for indices, (x_B, covariates_B) in zip(order, loader, strict=True):
        torch.testing.assert_close(x_B, x[indices], rtol=0, atol=0)
        torch.testing.assert_close(covariates_B, covariates[indices], rtol=0, atol=0)


@pytest.mark.parametrize("n_cells", [1, 16, 17, 100])
@pytest.mark.parametrize("n_covariates", [0, 2])
def test_chunks_are_all_cells_in_order(n_cells, n_covariates):
    x, covariates = torch.randn(n_cells, 3), torch.randn(n_cells, n_covariates)
    chunks = list(loader := ChunkLoader(x, covariates, 16))
    assert len(loader) == len(chunks)
    for position, whole in enumerate((x, covariates)):
        parts = torch.cat([chunk[position] for chunk in chunks])
        torch.testing.assert_close(parts, whole, rtol=0, atol=0)
    assert max(len(chunk[0]) for chunk in chunks) <= 16


@pytest.fixture
def cells(table_file):
    dataset = H5adDataset(path="-", batch_key="batch")
    return prepare_cells(small_adata(), load_table(table_file), dataset)


def small_model(cells, **settings) -> Scyan:
    sizes = {"hidden_size": 8, "n_hidden_layers": 1, "n_layers": 3}
    return Scyan(cells.table, cells.encoding, cells.preprocessing, **sizes, **settings)


@pytest.mark.filterwarnings(LIGHTNING)
def test_a_trainer_fits_and_predicts(cells):
    model, data = small_model(cells), CellDataModule(cells, batch_size=100, max_samples=350)
    trainer = pl.Trainer(max_epochs=2, **QUIET)
    trainer.fit(model, data)
    assert (trainer.current_epoch, trainer.global_step) == (2, 6)

    predictions = trainer.predict(model, data)
    annotation = predict_cells(model, cells.x, cells.covariates)
    for field in ("population", "log_prob", "latent"):
        joined = torch.cat([getattr(batch, field) for batch in predictions])
        np.testing.assert_allclose(joined, getattr(annotation, field), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings(LIGHTNING)
def test_a_trainer_draws_another_order_each_epoch(cells):
    class Seen(pl.Callback):
        def __init__(self):
            self.epochs = {}

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            self.epochs.setdefault(trainer.current_epoch, []).append(batch[0])

    first, again = Seen(), Seen()
    for seen in (first, again):
        data = CellDataModule(cells, batch_size=150, seed=5)
        pl.Trainer(max_epochs=3, callbacks=[seen], **QUIET).fit(small_model(cells), data)
    for epoch, batches in first.epochs.items():
        expected = CellSampler(600, 150, 200_000, 5)
        order = batches_of(expected, epoch)
        torch.testing.assert_close(torch.cat(batches), cells.x[flat(order)], rtol=0, atol=0)
        torch.testing.assert_close(torch.cat(batches), torch.cat(again.epochs[epoch]))
    assert not torch.equal(torch.cat(first.epochs[0]), torch.cat(first.epochs[1]))


@pytest.mark.parametrize(
    ("n_cells", "expected"),
    [(280, 256), (19_225, 480), (80_415, 2010), (400_000, 8192), (10_240, 256), (10_280, 257)],
)
def test_by_itself_the_batch_size_gives_40_steps_an_epoch_within_bounds(n_cells, expected):
    assert automatic_batch_size(n_cells) == expected


@pytest.mark.parametrize(("max_samples", "expected"), [(None, 300), (400, 256)])
def test_the_batch_size_follows_the_cells_of_an_epoch(cells, max_samples, expected, monkeypatch):
    monkeypatch.setattr("scyan_exp.data.datamodule.STEPS_PER_EPOCH", 2)
    assert CellDataModule(cells, "auto", max_samples).batch_size == expected


@pytest.mark.filterwarnings(LIGHTNING)
def test_the_cells_that_are_watched_are_the_same_for_all_seeds(cells, monkeypatch):
    monkeypatch.setattr("scyan_exp.data.datamodule.FEWEST_WATCHED", 50)
    watched = []
    for seed in (0, 1):
        data = CellDataModule(cells, 100, seed=seed)
        pl.Trainer(max_epochs=1, **QUIET).fit(small_model(cells), data)
        watched.append(data.watched()[0])
    assert watched[0].shape == (50, len(cells.table.markers))
    torch.testing.assert_close(watched[0], watched[1], rtol=0, atol=0)
    assert len(torch.unique(watched[0], dim=0)) == 50

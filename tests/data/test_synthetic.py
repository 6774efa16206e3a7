"""Synthetic blood: reproducible, in the right shares, told apart by the table."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from scyan_exp.data import H5adDataset, SyntheticDataset, load_pbmc_table, prepare_cells
from scyan_exp.data.synthetic import PROPORTIONS, _distorted, _latent


def draw(**settings):
    return SyntheticDataset(**{"n_cells": 500, **settings}).read()


def test_the_same_seed_gives_the_same_cells():
    first, second, other = draw(seed=3), draw(seed=3), draw(seed=4)
    np.testing.assert_array_equal(first.X, second.X)
    pd.testing.assert_frame_equal(first.obs, second.obs)
    assert not np.allclose(first.X, other.X)
    assert first.obs["population"].tolist() != other.obs["population"].tolist()


@pytest.mark.parametrize("n_cells", [1, 13, 500])
def test_size_names_and_type(n_cells):
    adata, table = draw(n_cells=n_cells), load_pbmc_table()
    assert adata.shape == (n_cells, 18)
    assert adata.X.dtype == np.float32
    assert np.isfinite(adata.X).all()
    assert adata.var_names.tolist() == table.markers
    assert adata.obs["population"].cat.categories.tolist() == table.populations
    assert adata.obs_names.is_unique
    assert adata.obs.columns.tolist() == ["population"]


def test_labels_follow_the_proportions_of_blood():
    n = 100_000
    shares = draw(n_cells=n).obs["population"].value_counts(normalize=True)
    assert sum(PROPORTIONS.values()) == pytest.approx(1)
    for name, proportion in PROPORTIONS.items():
        sigma = np.sqrt(proportion * (1 - proportion) / n)
        assert shares[name] == pytest.approx(proportion, abs=5 * sigma), name


def test_cells_can_be_prepared_as_any_others():
    dataset = H5adDataset(path="-", label_key="population", batch_key="batch")
    cells = prepare_cells(draw(n_batches=2), load_pbmc_table(), dataset)
    assert cells.x.shape == (500, 18)
    assert cells.covariates.shape == (500, 2)


def test_markers_known_to_differ_differ_in_the_expected_direction():
    """The distortion is increasing: positive populations lie above negative ones."""
    adata, table = draw(n_cells=20_000, prior_std=0.2), load_pbmc_table()
    means = adata.to_df().groupby(adata.obs["population"], observed=True).mean()
    for m, marker in enumerate(table.markers):
        positive = means[marker][table.rho[:, m] == 1]
        negative = means[marker][table.rho[:, m] == -1]
        assert positive.min() > negative.max(), marker


def test_the_distortion_is_strictly_increasing_and_another_for_each_marker():
    rng = np.random.default_rng(0)
    u = _latent(load_pbmc_table(), rng.integers(13, size=2000), 0.4, rng).astype(float)
    x = _distorted(u, rng)
    for m in range(u.shape[1]):
        assert (np.diff(x[np.argsort(u[:, m]), m]) > 0).all()
    same = np.tile(np.linspace(-1, 1, 50)[:, None], 18)
    bent = _distorted(same, np.random.default_rng(0))
    assert len({tuple(column) for column in bent.T}) == 18


@pytest.mark.parametrize("n_batches", [2, 5])
def test_batches_of_about_equal_size(n_batches):
    sizes = draw(n_cells=10_000, n_batches=n_batches).obs["batch"].value_counts()
    assert sorted(sizes.index) == [f"batch {i + 1}" for i in range(n_batches)]
    np.testing.assert_allclose(sizes, 10_000 / n_batches, rtol=0.1)


def test_a_batch_moves_each_marker_by_one_amount():
    plain, shifted = draw(n_cells=5000), draw(n_cells=5000, n_batches=3, batch_shift=0.5)
    assert plain.obs["population"].tolist() == shifted.obs["population"].tolist()
    moved = pd.DataFrame((shifted.X - plain.X) / plain.X.std(axis=0))
    by_batch = moved.groupby(shifted.obs["batch"].to_numpy())
    assert by_batch.std().to_numpy().max() < 1e-5
    shifts = by_batch.mean().to_numpy()
    assert len(np.unique(shifts.round(6))) == 3 * 18
    assert 0.35 < shifts.std() < 0.65  # 54 draws of standard deviation 0.5


def test_no_shift_leaves_the_cells_where_they_are():
    np.testing.assert_allclose(draw(n_batches=4, batch_shift=0.0).X, draw().X)


def test_the_table_is_read_without_a_warning(caplog):
    table = load_pbmc_table()
    assert not caplog.records
    assert table.rho.shape == (13, 18)
    assert set(table.populations) == set(PROPORTIONS)


def test_every_two_populations_differ_in_a_marker_known_of_both():
    table = load_pbmc_table()
    for p, q in itertools.combinations(range(len(table.populations)), 2):
        # A comparison with NaN is False, so unknown markers do not count.
        differ = np.abs(table.rho[p] - table.rho[q]) > 0.5
        assert differ.any(), (table.populations[p], table.populations[q])

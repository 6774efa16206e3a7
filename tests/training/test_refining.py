"""What refining starts from: means of the cells in place of blank entries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.training.refining import mean_latents, with_filled_table
from tests.training.conftest import fit, make_model


def plain_means(latent, codes, batches, n_pops):
    """Means of populations in batches, then of the batches that have them."""
    found = np.full((n_pops, latent.shape[1]), np.nan)
    for one in range(n_pops):
        of_batches = [
            latent[(codes == one) & (batches == batch)].mean(axis=0)
            for batch in range(3)
            if ((codes == one) & (batches == batch)).any()
        ]
        if of_batches:
            found[one] = np.mean(of_batches, axis=0)
    return found


@settings(deadline=None, max_examples=40)
@given(n_cells=st.integers(1, 60), seed=st.integers(0, 999), lowest=st.sampled_from([-1, 0]))
def test_every_batch_that_has_a_population_counts_alike(n_cells, seed, lowest):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n_cells, 3)).astype(np.float32)
    codes, batches = rng.integers(lowest, 4, n_cells), rng.integers(3, size=n_cells)
    found = mean_latents(latent, codes, batches, 5)
    np.testing.assert_allclose(found, plain_means(latent, codes, batches, 5), rtol=1e-5, atol=1e-6)


def test_means_are_those_of_the_reference_but_for_populations_without_cells():
    """Which it puts at 0, between negative and positive."""
    import anndata
    import pandas as pd

    from tests.reference import scyan

    rng = np.random.default_rng(0)
    codes, batches = rng.integers(-1, 3, 50), rng.integers(2, size=50)
    latent, names, markers = rng.normal(size=(50, 2)), ["a", "b", "c", "d"], ["m", "n"]

    class Model:
        adata = anndata.AnnData(
            latent,
            obs=pd.DataFrame(
                {"pop": pd.Categorical.from_codes(codes, names), "batch": batches.astype(str)},
                index=[str(i) for i in range(50)],
            ),
        )
        var_names, pop_names = pd.Index(markers), pd.Index(names)
        hparams = type("hparams", (), {"batch_key": "batch"})

        def __call__(self):
            return torch.from_numpy(latent)

    with pytest.warns(FutureWarning, match="observed"):  # of pandas, in the reference
        expected = scyan.utils.grouped_mean(Model(), "pop").numpy()
    found = mean_latents(latent, codes, batches, 4)
    np.testing.assert_allclose(found[:3], expected[:3], rtol=1e-5)
    assert np.isnan(found[3]).all()
    assert (expected[3] == 0).all()


def test_the_filled_model_has_the_weights_and_the_table_of_the_first(cells):
    model = make_model(cells, warm_up=(0.5, 9))
    fit(model, cells, 2)
    means = np.full(cells.table.rho.shape, 0.25)
    refined, n_filled = with_filled_table(model, means)
    assert n_filled == np.isnan(cells.table.rho).sum() == 1
    np.testing.assert_array_equal(refined.table.rho, model.table.rho)
    assert model.module.prior.rho.isnan().sum() == 1
    assert refined.module.prior.rho[torch.from_numpy(np.isnan(cells.table.rho))] == 0.25
    for ours, theirs in zip(refined.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert refined.warm_up_epochs == 0
    assert refined.prior_std_at(0) == float(refined.module.prior.prior_std) == 0.3


def test_the_compiled_model_takes_the_filled_entries(cells):
    """Also where it had computed with the blank ones before."""
    model = make_model(cells)
    batch = cells.x[:100], cells.covariates[:100]
    if model.computing is model.module:
        pytest.skip("no compiler")
    blank = model.computing.loss_terms(*batch, False)[0]
    model.module.prior.fill(torch.full_like(model.module.prior.rho, 0.7))
    filled = model.computing.loss_terms(*batch, False)[0]
    assert filled != blank
    torch.testing.assert_close(filled, model.module.loss_terms(*batch, False)[0])

"""Corrected expressions: what the reference gives, and what follows from the definition."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from scyan_exp.data.sources import read_h5ad
from scyan_exp.errors import InputError
from scyan_exp.module.reference import copy_reference_weights
from scyan_exp.results.columns import CORRECTED
from scyan_exp.results.correction import (
    correct,
    corrected_inputs,
    corrected_layers,
    largest_batch,
)
from tests.conftest import MARKERS
from tests.training.conftest import make_model


@pytest.fixture
def in_float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.filterwarnings("ignore:Series.__getitem__ treating keys as positions")  # in theirs
@pytest.mark.parametrize("batch_ref", ["a", "b", None])
def test_corrected_expressions_are_those_of_the_reference(trained, in_float64, batch_ref):
    """On its weights, to 1e-6."""
    from tests.reference import scyan

    _, cells, _ = trained
    encoding = replace(cells.encoding, continuous=[])
    n_batches = len(encoding.batches)
    cells = replace(cells, x=cells.x.double(), covariates=cells.covariates[:, :n_batches].double())
    table = pd.DataFrame(cells.table.rho, cells.table.populations, cells.table.markers)
    obs = pd.DataFrame({"batch": cells.batches.astype(str)})
    adata = anndata.AnnData(cells.x.numpy(), obs=obs, var=pd.DataFrame(index=MARKERS))
    torch.manual_seed(1)
    sizes = {"hidden_size": 8, "n_hidden_layers": 1, "n_layers": 3}
    theirs = scyan.Scyan(adata, table, batch_key="batch", **sizes)
    theirs._is_fitted = True
    ours = make_model(replace(cells, encoding=encoding)).double()
    columns = list(pd.get_dummies(obs["batch"]).columns)
    assert columns == ours.encoding.batches
    copy_reference_weights(
        {key: value.double() for key, value in theirs.state_dict().items()}, ours.module
    )
    theirs = theirs.double()
    expected = theirs.batch_effect_correction(batch_ref).numpy()
    chosen = batch_ref or largest_batch(cells.batches)
    found = corrected_inputs(ours, cells.x, cells.covariates, chosen)
    assert np.abs(expected - cells.x.numpy()).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_cells_of_the_reference_batch_stay_as_they_are(trained):
    model, cells, _ = trained
    found = correct(model, cells.x, cells.covariates, "a")
    raw = cells.preprocessing.undo(cells.x.numpy())
    own = cells.batches.to_numpy() == "a"
    np.testing.assert_allclose(found[own], raw[own], atol=1e-4)
    assert np.abs(found[~own] - raw[~own]).max() > 1e-3
    assert found.dtype == np.float32


def test_cells_go_to_another_batch_and_back(trained):
    model, cells, _ = trained
    own = cells.batches.to_numpy() == "b"
    x, covariates = cells.x[own], cells.covariates[own]
    there = torch.from_numpy(corrected_inputs(model, x, covariates, "a"))
    back = corrected_inputs(model, there, model.encoding.in_batch(covariates, "a"), "b")
    np.testing.assert_allclose(back, x.numpy(), atol=1e-4)


def test_many_cells_are_corrected_some_at_a_time(trained, monkeypatch):
    model, cells, _ = trained
    at_once = correct(model, cells.x, cells.covariates, "a")
    monkeypatch.setattr("scyan_exp.results.chunks.CHUNK_SIZE", 7)
    np.testing.assert_allclose(
        correct(model, cells.x, cells.covariates, "a"), at_once, rtol=1e-5, atol=1e-5
    )


def test_a_model_without_such_a_batch_corrects_nothing(trained):
    model, cells, _ = trained
    with pytest.raises(InputError, match="'c' is no batch of obs\\['batch'\\]"):
        correct(model, cells.x, cells.covariates, "c")


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_layer_has_all_columns_and_changes_those_of_the_table(trained, tmp_path, on_disk):
    model, cells, _ = trained
    order = ["CD19", "CD45", "CD8", "CD3", "CD4"]
    adata = cells.adata[:, order].copy()
    if on_disk:
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = read_h5ad(tmp_path / "cells.h5ad")
    cells = replace(cells, adata=adata)
    layer = corrected_layers(model, cells, "a")[CORRECTED]
    expected = correct(model, cells.x, cells.covariates, "a")
    for m, marker in enumerate(cells.table.markers):
        np.testing.assert_array_equal(layer[:, order.index(marker)], expected[:, m])
    np.testing.assert_array_equal(layer[:, 1], np.asarray(adata[:, "CD45"].to_memory().X)[:, 0])
    assert corrected_layers(model, cells, None) == {}
    cells.close()


def test_the_largest_batch_is_the_first_by_name_of_several():
    assert largest_batch(pd.Series(["b", "a", "b"])) == "b"
    assert largest_batch(pd.Series(["b", "a", "b", "a", "c"])) == "a"

"""Annotating cells, and the file that holds the annotation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import scyan_exp
from scyan_exp.errors import InputError
from scyan_exp.results import chunks
from scyan_exp.results.annotation import predict_cells
from scyan_exp.run.annotate import annotate
from tests.conftest import small_adata
from tests.results.conftest import make_annotation


def plain_annotation(model, x, covariates):
    """Population, log p(u | z) of it and latent expressions, cell by cell of the definition."""
    with torch.no_grad():
        latent, _, _ = model.module(x, covariates)
        log_prob_NP = model.module.prior.log_prob(latent)
        population = (log_prob_NP + model.module.log_pi).argmax(dim=1)
    return population, log_prob_NP.gather(1, population[:, None])[:, 0], latent


@pytest.mark.parametrize("chunk_size", [8192, 600, 100, 7])
def test_predictions_follow_the_definition(trained, monkeypatch, chunk_size):
    model, cells, _ = trained
    monkeypatch.setattr(chunks, "CHUNK_SIZE", chunk_size)
    found = predict_cells(model, cells.x, cells.covariates)
    population, log_prob, latent = plain_annotation(model, cells.x, cells.covariates)
    np.testing.assert_array_equal(found.population, population)
    np.testing.assert_allclose(found.log_prob, log_prob, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.latent, latent, rtol=1e-4, atol=1e-4)


def test_columns_of_obs():
    log_prob = [-1, -49.5, -50.5, -2]
    obs = make_annotation(["B", "T", "NK"], [0, 1, 1, 1], log_prob=log_prob).obs()
    assert obs.columns.tolist() == ["scyan_pop", "scyan_log_prob", "scyan_confidence"]
    assert obs["scyan_pop"].astype(object).fillna("-").tolist() == ["B", "T", "-", "T"]
    assert obs["scyan_pop"].cat.categories.tolist() == ["B", "T", "NK"]
    np.testing.assert_allclose(obs["scyan_log_prob"], log_prob)


def test_columns_of_levels():
    levels = {"level": ["Lymphoid", "Lymphoid", "Myeloid"], "lineage": ["B", "T/NK", "Mono"]}
    log_prob = [-1, -1, -1, -99]
    annotation = make_annotation(["B", "T", "Mono"], [1, 0, 2, 2], log_prob=log_prob, levels=levels)
    obs = annotation.obs()
    level = obs["scyan_pop_level"]
    assert level.astype(object).fillna("-").tolist() == ["Lymphoid", "Lymphoid", "Myeloid", "-"]
    assert level.cat.categories.tolist() == ["Lymphoid", "Myeloid"]
    assert obs["scyan_pop_lineage"].astype(object).fillna("-").tolist() == [
        "T/NK",
        "B",
        "Mono",
        "-",
    ]


@pytest.mark.parametrize(("threshold", "expected"), [(-np.inf, 0), (-2.0, 1), (0.0, 3)])
def test_improbable_cells_stay_unannotated(threshold, expected):
    log_prob = [-1, -3, -2]
    found = make_annotation(["B", "T"], [0, 1, 1], log_prob=log_prob, threshold=threshold)
    assert (found.codes == -1).sum() == expected
    assert found.obs()["scyan_pop"].isna().sum() == expected
    assert found.population.tolist() == [0, 1, 1]


def test_a_checkpoint_annotates_new_cells_without_the_old(trained):
    model, cells, checkpoint = trained
    adata = small_adata()[200:260, ["CD45", "CD19", "CD4", "CD8", "CD3"]].copy()
    found = scyan_exp.annotate(checkpoint, adata)
    expected = predict_cells(model, cells.x[200:260], cells.covariates[200:260])
    np.testing.assert_array_equal(found.population, expected.population)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-5, atol=1e-5)
    assert adata.obs["scyan_pop"].tolist() == expected.obs()["scyan_pop"].tolist()
    assert adata.obs["scyan_pop_level"].tolist() == expected.obs()["scyan_pop_level"].tolist()
    np.testing.assert_allclose(adata.obsm["X_scyan"], expected.latent, rtol=1e-5, atol=1e-5)


def test_a_model_annotates_as_its_checkpoint_does(trained):
    model, _, checkpoint = trained
    first, second = small_adata(50), small_adata(50)
    annotate(model, first)
    annotate(checkpoint, second)
    pd.testing.assert_frame_equal(first.obs, second.obs)


def test_a_checkpoint_holds_no_code(trained):
    """What a checkpoint holds is data: it loads where pickled objects are refused."""
    state = torch.load(trained[2], weights_only=True)
    assert state["hyper_parameters"]["table"]["markers"] == ["CD3", "CD4", "CD8", "CD19"]


def test_annotating_again_replaces_the_columns(trained):
    adata = small_adata(50)
    annotate(trained[2], adata)
    before = adata.obs.copy()
    annotate(trained[2], adata)
    pd.testing.assert_frame_equal(adata.obs, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[:, ["CD3", "CD4", "CD19"]].copy(), "marker 'CD8' of the table is not in"),
        (lambda a: _without(a, "age"), "covariate: the cells have no column 'age'"),
        (lambda a: _other_batch(a), "obs\\['batch'\\] has 'new'; the model knows 'a', 'b'"),
    ],
)
def test_cells_that_the_model_cannot_take_are_refused(trained, change, message):
    adata = change(small_adata(50))
    with pytest.raises(InputError, match=message):
        annotate(trained[2], adata)
    assert "scyan_pop" not in adata.obs


def _without(adata, key: str):
    del adata.obs[key]
    return adata


def _other_batch(adata):
    adata.obs["batch"] = "new"
    return adata

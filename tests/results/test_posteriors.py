"""Confidences and probabilities: a plain twin, laws, and the reference's numbers."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

import scyan_exp
from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data import KnowledgeTable
from scyan_exp.results.annotation import load_model, predict_cells, write_annotated
from scyan_exp.results.consensus import Member, combine
from scyan_exp.results.posteriors import Posteriors
from tests.conftest import small_adata

ALL = PredictConfig(proba=True)
LEVELS = {"lineage": ["T", "T", "B", "T", "B"], "kind": ["a", "b", "c", "d", "e"], "one": ["x"] * 5}
TABLE = KnowledgeTable(list("pqrst"), ["m"], np.ones((5, 1)), LEVELS)


# ---------------------------------------------------------------- laws


@settings(max_examples=60)
@given(arrays(np.float32, (7, 5), elements=st.floats(-2000, 2000, width=32)))
def test_posteriors_follow_their_definition(log_joint):
    best = log_joint.argmax(axis=1)
    posteriors = Posteriors(TABLE, keeps_all=True)
    parts = posteriors.of(torch.from_numpy(log_joint.copy()), torch.from_numpy(best))
    found = posteriors.named([one.numpy() for one in parts])
    plain = softmax(log_joint.astype(float), axis=1)
    np.testing.assert_allclose(found["proba"], plain, atol=2e-6)
    np.testing.assert_allclose(found["proba"].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found["confidence"], plain.max(axis=1), atol=2e-6)
    for level, names in LEVELS.items():
        same = np.equal.outer(np.array(names), np.array(names))
        expected = [plain[i, same[p]].sum() for i, p in enumerate(best)]
        np.testing.assert_allclose(found["level_confidence"][level], expected, atol=3e-6)
        assert (found["level_confidence"][level] >= found["confidence"] - 1e-6).all()
    np.testing.assert_allclose(found["level_confidence"]["one"], 1, atol=1e-5)


def test_a_table_without_levels_has_confidences_of_populations_alone():
    table = KnowledgeTable(["p", "q"], ["m"], np.ones((2, 1)), {})
    posteriors = Posteriors(table, keeps_all=False)
    parts = posteriors.of(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
    found = posteriors.named([one.numpy() for one in parts])
    np.testing.assert_allclose(found["confidence"], [1 / (1 + np.exp(-1)), 0.5], rtol=1e-6)
    assert found["proba"] is None
    assert found["level_confidence"] == {}


# ---------------------------------------------------------------- models


def test_confidences_are_those_of_the_model(trained):
    model, cells, _ = trained
    found = predict_cells(model, cells.x, cells.covariates, ALL)
    with torch.no_grad():
        joint = model.module.compute_probabilities(cells.x, cells.covariates)[0]
    plain = joint.softmax(dim=1).numpy()
    np.testing.assert_allclose(found.proba, plain, atol=1e-5)
    np.testing.assert_array_equal(found.proba.argmax(axis=1), found.population)
    np.testing.assert_allclose(found.confidence, plain.max(axis=1), atol=1e-5)
    t_cells = plain[:, :2].sum(axis=1)  # two of the three populations are T cells
    expected = np.where(found.population < 2, t_cells, plain[:, 2])
    np.testing.assert_allclose(found.level_confidence["level"], expected, atol=1e-5)
    assert found.proba.dtype == found.confidence.dtype == np.float32
    alone = predict_cells(model, cells.x, cells.covariates)
    assert alone.proba is None
    np.testing.assert_array_equal(alone.confidence, found.confidence)


def test_those_of_a_consensus_are_of_the_geometric_mean(trained):
    model, cells, checkpoint = trained
    other = load_model(checkpoint)
    with torch.no_grad():
        other.module.pi_logit.add_(torch.tensor([0.03, 0.0, -0.03]))
        other.module.prior.prior_std.fill_(0.6)
    members = [Member("a", model, 0.7), Member("b", other, 0.3)]
    found = combine(members, cells.x, cells.covariates, settings=ALL)
    each = [predict_cells(m.model, cells.x, cells.covariates, ALL).proba for m in members]
    assert np.abs(each[0] - each[1]).max() > 0.01
    mean = np.exp(
        sum(m.weight * np.log(p.astype(float)) for m, p in zip(members, each, strict=True))
    )
    plain = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.proba, plain, atol=1e-4)
    np.testing.assert_array_equal(found.proba.argmax(axis=1), found.population)
    np.testing.assert_allclose(found.confidence, found.proba.max(axis=1), atol=1e-6)
    assert all(one.proba is None for one in found.members.values())


def test_settings_reach_annotation_and_members(trained):
    model, cells, _ = trained
    mine = PredictConfig(log_prob_th=-2.5, key_added="mine")
    found = predict_cells(model, cells.x, cells.covariates, mine)
    expected = found.log_prob < -2.5
    assert 0.02 < expected.mean() < 0.98
    np.testing.assert_array_equal(found.obs()["mine"].isna(), expected)
    np.testing.assert_array_equal(found.obs()["mine_level"].isna(), expected)
    assert "scyan_pop" not in found.obs()
    both = [Member("a", model, 0.5), Member("b", model, 0.5)]
    together = combine(both, cells.x, cells.covariates, settings=mine).obs()
    np.testing.assert_array_equal(together["mine"].isna(), together["scyan_log_prob"] < -2.5)
    np.testing.assert_array_equal(together["mine_a"].isna(), expected)


# ---------------------------------------------------------------- the file


def test_probabilities_are_in_the_file_with_their_names(trained, tmp_path):
    model, cells, _ = trained
    found = predict_cells(model, cells.x, cells.covariates, ALL)
    write_annotated(cells.adata, found, tmp_path / "a.h5ad")
    read = anndata.read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(read.obsm["scyan_proba"], found.proba)
    assert read.uns["scyan_populations"].tolist() == cells.table.populations
    assert read.uns["scyan_key"] == "scyan_pop"
    assert read.uns["scyan_log_prob_th"] == -50
    np.testing.assert_array_equal(read.obs["scyan_confidence"], found.confidence)
    again = predict_cells(model, cells.x, cells.covariates)
    write_annotated(read, again, tmp_path / "b.h5ad")
    assert "scyan_proba" not in anndata.read_h5ad(tmp_path / "b.h5ad").obsm


# ---------------------------------------------------------------- predict_proba


def test_predict_proba_is_a_table_of_cells_and_populations(trained):
    model, cells, checkpoint = trained
    adata = small_adata()[:60].copy()
    before = adata.copy()
    found = scyan_exp.predict_proba(checkpoint, adata)
    assert found.index.equals(adata.obs_names)
    assert found.columns.tolist() == cells.table.populations
    expected = predict_cells(model, *(part[:60] for part in (cells.x, cells.covariates)), ALL)
    np.testing.assert_allclose(found, expected.proba, atol=1e-5)
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert list(adata.obsm) == list(before.obsm) == []
    pd.testing.assert_frame_equal(scyan_exp.predict_proba(model, adata), found)


@pytest.mark.parametrize("n_layers", [2, 5])
def test_predict_proba_is_that_of_the_reference_on_its_weights(trained, n_layers, tmp_path):
    """Weights of ``scyan.Scyan.save``, in the reference and in a model of ours."""
    from scyan_exp import Scyan
    from scyan_exp.module.reference import load_reference_module
    from tests.reference import scyan

    _, cells, _ = trained
    rng = np.random.default_rng(n_layers)
    table = pd.DataFrame(cells.table.rho, cells.table.populations, cells.table.markers)
    adata = anndata.AnnData(
        rng.normal(scale=0.7, size=(200, 4)).astype(np.float32),
        var=pd.DataFrame(index=table.columns),
    )
    sizes = {"hidden_size": 8, "n_hidden_layers": 2, "n_layers": n_layers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = scyan.Scyan(adata, table, **sizes, prior_std=0.6)
    torch.nn.init.normal_(theirs.module.pi_logit, std=0.01)
    theirs.module.prior.prior_std = 0.6
    theirs._is_fitted = True
    theirs.save(str(tmp_path / "weights.pt"))
    bare = KnowledgeTable(cells.table.populations, cells.table.markers, cells.table.rho, {})
    ours = Scyan(bare, **sizes)
    ours.module.load_state_dict(load_reference_module(tmp_path / "weights.pt").state_dict())
    for tolerance, expected, found in _in_both_precisions(theirs, ours, adata):
        assert expected.max(axis=1).min() < 0.9  # not all are sure
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def _in_both_precisions(theirs, ours, adata):
    """Tolerance, and (N, P) of the reference and ours: as users see them (float32), and exact."""
    expected = theirs.predict_proba()[ours.table.populations].to_numpy()
    yield 5e-6, expected, scyan_exp.predict_proba(ours, adata).to_numpy()
    x, none = torch.from_numpy(adata.X).double(), torch.empty(len(adata), 0).double()
    with torch.no_grad():
        exact = theirs.module.double().compute_probabilities(x, none)[0].softmax(dim=1).numpy()
    yield 1e-7, exact, predict_cells(ours.double(), x, none, ALL).proba

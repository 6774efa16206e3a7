"""The consensus of several models: weights, combination, and a plain twin in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp import Scyan
from scyan_exp.data import Cells, KnowledgeTable
from scyan_exp.metrics.agreement import table_agreement
from scyan_exp.results import chunks
from scyan_exp.results import consensus as consensus_module
from scyan_exp.results.annotation import predict_cells
from scyan_exp.results.consensus import Consensus, Member, combine, weigh, weights_of
from tests.training.conftest import fit, make_model

Models = dict[str, Scyan]


@pytest.fixture(scope="module")
def models(trained) -> Models:
    """Three seeds of a model, the last one hardly trained; and their cells."""
    _, cells, _ = trained
    return {f"seed_{seed}": trained_model(cells, seed, n) for seed, n in ((0, 6), (1, 6), (2, 1))}


@pytest.fixture(scope="module")
def cells(trained) -> Cells:
    return trained[1]


def trained_model(cells: Cells, seed: int, n_epochs: int) -> Scyan:
    model = make_model(cells, init="reference", seed=seed)
    fit(model, cells, n_epochs)
    return model.eval()


def members_of(models: Models, weights) -> list[Member]:
    return [Member(k, m, float(w)) for (k, m), w in zip(models.items(), weights, strict=True)]


# ---------------------------------------------------------------- the plain twin


def plain_log_posteriors(model: Scyan, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """(N, P) log p(z | x) and log p(u | z), by their definitions."""
    with torch.no_grad():
        latent, _, _ = model.module(cells.x, cells.covariates)
        conditional = model.module.prior.log_prob(latent).double().numpy()
        joint = conditional + model.module.log_pi.double().numpy()
    largest = joint.max(axis=1, keepdims=True)
    evidence = largest + np.log(np.exp(joint - largest).sum(axis=1, keepdims=True))
    return joint - evidence, conditional


def plain_weights(agreements: np.ndarray, tolerance: float = 0.01) -> np.ndarray:
    weights = np.exp((agreements - agreements.max()) / tolerance)
    return weights / weights.sum()


def plain_combine(log_posteriors_SNP: np.ndarray, weights_S: np.ndarray) -> np.ndarray:
    """(N, P) posteriors: the weighted geometric mean of the members', normalised."""
    posterior_NP = np.prod(np.exp(log_posteriors_SNP) ** weights_S[:, None, None], axis=0)
    return posterior_NP / posterior_NP.sum(axis=1, keepdims=True)


def clear(posterior_NP: np.ndarray) -> np.ndarray:
    """Cells whose two most probable populations are not equally probable but for rounding."""
    two = np.sort(posterior_NP, axis=1)[:, -2:]
    return two[:, 1] > two[:, 0] * 1.001


# ---------------------------------------------------------------- weights

AGREEMENTS = st.lists(st.floats(-1, 1), min_size=1, max_size=8)


@given(AGREEMENTS)
def test_weights_are_shares_and_follow_their_definition(agreements):
    found = weights_of(agreements)
    assert found.shape == (len(agreements),)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, plain_weights(np.array(agreements)), atol=1e-12)


@given(st.floats(-1, 1), st.integers(1, 10))
def test_equal_members_have_equal_weights(agreement, n_members):
    np.testing.assert_allclose(weights_of([agreement] * n_members), 1 / n_members)


@given(AGREEMENTS, st.floats(-3, 3))
def test_only_differences_of_members_count(agreements, constant):
    shifted = [one + constant for one in agreements]
    np.testing.assert_allclose(weights_of(shifted), weights_of(agreements), atol=1e-9)


@given(AGREEMENTS)
def test_a_better_member_never_weighs_less(agreements):
    order = np.argsort(agreements)
    assert (np.diff(weights_of(agreements)[order]) >= 0).all()


@given(AGREEMENTS, st.randoms())
def test_the_order_of_members_makes_no_difference(agreements, random):
    order = list(range(len(agreements)))
    random.shuffle(order)
    shuffled = weights_of([agreements[i] for i in order])
    np.testing.assert_allclose(shuffled, weights_of(agreements)[order])


def test_a_hundredth_less_is_a_third_of_the_weight_and_a_tenth_less_none():
    found = weights_of([0.73, 0.72, 0.63])
    assert found[1] / found[0] == pytest.approx(np.exp(-1))
    assert found[2] < 1e-4


# ---------------------------------------------------------------- combining


@pytest.mark.parametrize("name", ["seed_0", "seed_1", "seed_2"])
def test_one_member_is_its_own_consensus(models, cells, name):
    model = models[name]
    found = combine([Member(name, model, 1.0)], cells.x, cells.covariates)
    assert_same_annotation(found, predict_cells(model, cells.x, cells.covariates))
    np.testing.assert_array_equal(found.agreement, 1)


def test_identical_members_are_their_own_consensus(models, cells):
    model = models["seed_1"]
    same = [Member(f"m{i}", model, weight) for i, weight in enumerate((0.5, 0.2, 0.3))]
    found = combine(same, cells.x, cells.covariates)
    assert_same_annotation(found, predict_cells(model, cells.x, cells.covariates))
    np.testing.assert_allclose(found.agreement, 1)


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_all_the_weight_on_one_member_gives_its_annotation(models, cells, chosen):
    found = combine(members_of(models, np.eye(3)[chosen]), cells.x, cells.covariates)
    own = predict_cells(list(models.values())[chosen], cells.x, cells.covariates)
    assert_same_annotation(found, own)
    np.testing.assert_array_equal(found.agreement, 1)
    assert list(found.members) == list(models)


def assert_same_annotation(found, expected) -> None:
    np.testing.assert_array_equal(found.population, expected.population)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.latent, expected.latent, rtol=1e-5, atol=1e-5)
    assert found.table is expected.table
    assert found.threshold == expected.threshold


@settings(deadline=None, max_examples=25)
@given(shares=st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_consensus_is_the_weighted_geometric_mean_of_posteriors(models, cells, shares):
    weights = np.array(shares) / sum(shares)
    found = combine(members_of(models, weights), cells.x, cells.covariates)
    plain = [plain_log_posteriors(model, cells) for model in models.values()]
    posterior = plain_combine(np.array([one[0] for one in plain]), weights)
    sure = clear(posterior)
    assert sure.mean() > 0.95
    np.testing.assert_array_equal(found.population[sure], posterior.argmax(axis=1)[sure])
    conditional = np.tensordot(weights, np.array([one[1] for one in plain]), axes=1)
    expected = conditional[np.arange(len(cells)), found.population]
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-3, atol=1e-3)
    codes = [one[0].argmax(axis=1) for one in plain]
    alike = sum(w * (c == found.population) for w, c in zip(weights, codes, strict=True))
    np.testing.assert_allclose(found.agreement[sure], alike[sure], atol=1e-9)
    heaviest = list(models.values())[int(weights.argmax())]
    latent = predict_cells(heaviest, cells.x, cells.covariates).latent
    np.testing.assert_array_equal(found.latent, latent)


def test_members_disagree_here(models, cells):
    """Otherwise the tests above would say little."""
    codes = [predict_cells(m, cells.x, cells.covariates).population for m in models.values()]
    assert (codes[0] != codes[2]).mean() > 0.02


@pytest.mark.parametrize("chunk_size", [600, 100, 7])
def test_the_size_of_chunks_makes_no_difference(models, cells, monkeypatch, chunk_size):
    members = members_of(models, (0.5, 0.3, 0.2))
    expected = combine(members, cells.x, cells.covariates)
    monkeypatch.setattr(chunks, "CHUNK_SIZE", chunk_size)
    found = combine(members, cells.x, cells.covariates)
    np.testing.assert_array_equal(found.population, expected.population)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.agreement, expected.agreement)


def test_covariates_are_given_to_every_member(models, cells):
    """The consensus of the same expressions from another batch is that of its members there."""
    assert cells.covariates.shape[1] > 0
    others = cells.covariates.flip(0)
    found = combine(members_of(models, (0, 1, 0)), cells.x, others)
    expected = predict_cells(models["seed_1"], cells.x, others)
    assert_same_annotation(found, expected)
    here = combine(members_of(models, (0, 1, 0)), cells.x, cells.covariates)
    assert not np.allclose(here.log_prob, found.log_prob)


def test_members_that_exclude_a_population_decide(models, cells):
    """A geometric mean: what one member rules out is not chosen for a slight wish of another."""
    plain = [plain_log_posteriors(m, cells)[0] for m in models.values()]
    found = combine(members_of(models, np.full(3, 1 / 3)), cells.x, cells.covariates).population
    summed = np.sum(plain, axis=0)
    chosen, others = summed[np.arange(len(cells)), found], summed.max(axis=1)
    np.testing.assert_allclose(chosen, others, rtol=1e-3, atol=1e-3)


def test_annotations_that_are_known_already_are_not_computed_again(models, cells, monkeypatch):
    members, own = weigh(models, cells.x, cells.covariates)
    expected = combine(members, cells.x, cells.covariates)
    monkeypatch.setattr(consensus_module, "predict_cells", None)
    found = combine(members, cells.x, cells.covariates, own)
    np.testing.assert_array_equal(found.population, expected.population)


# ---------------------------------------------------------------- weighing


def test_members_are_weighed_by_their_agreement_with_the_table(models, cells):
    members, own = weigh(models, cells.x, cells.covariates)
    assert [one.name for one in members] == list(own) == list(models)
    agreements = []
    for name, model in models.items():
        alone = predict_cells(model, cells.x, cells.covariates)
        np.testing.assert_array_equal(own[name].population, alone.population)
        agreements.append(table_agreement(cells.x.numpy(), alone.population, cells.table.rho))
    weights = [one.weight for one in members]
    np.testing.assert_allclose(weights, plain_weights(np.array(agreements)), atol=1e-9)
    assert sum(weights) == pytest.approx(1)


def test_a_member_that_went_wrong_has_no_say(models, cells):
    """One that was trained with the rows of the table in another order."""
    table = cells.table
    rows = table.rho[[2, 0, 1]]
    wrong = replace(cells, table=KnowledgeTable(table.populations, table.markers, rows, {}))
    both = {"good": models["seed_0"], "wrong": trained_model(wrong, 0, 6)}
    members, _ = weigh(both, cells.x, cells.covariates)
    assert members[1].weight < 1e-3
    found = combine(members, cells.x, cells.covariates)
    own = predict_cells(both["good"], cells.x, cells.covariates)
    assert (found.population == own.population).mean() > 0.99


# ---------------------------------------------------------------- columns


def test_columns_of_a_consensus(models, cells):
    members, own = weigh(models, cells.x, cells.covariates)
    found = combine(members, cells.x, cells.covariates, own)
    assert isinstance(found, Consensus)
    obs = found.obs()
    names = ["scyan_pop", "scyan_log_prob", "scyan_confidence"]
    names += ["scyan_pop_level", "scyan_confidence_level", "scyan_agreement"]
    assert obs.columns.tolist() == [*names, *(f"scyan_pop_{name}" for name in models)]
    assert obs["scyan_agreement"].between(0, 1 + 1e-6).all()
    for name, annotation in own.items():
        expected = annotation.obs()["scyan_pop"]
        assert obs[f"scyan_pop_{name}"].equals(expected.rename(f"scyan_pop_{name}"))
    assert "cells" in repr(found)


def test_a_cell_improbable_for_the_members_together_stays_unannotated(models, cells):
    far = cells.x[:20] * 50
    found = combine(members_of(models, (0.4, 0.4, 0.2)), far, cells.covariates[:20])
    assert np.isfinite(found.log_prob).all()
    unlikely = found.log_prob < found.threshold
    assert unlikely.any()
    np.testing.assert_array_equal(found.codes == -1, unlikely)
    np.testing.assert_array_equal(found.obs()["scyan_pop"].isna(), unlikely)

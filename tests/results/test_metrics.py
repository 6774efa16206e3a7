"""Metrics against scikit-learn's own functions, plain twins, and the reference's heuristic."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from scyan_exp.config.objectives import BATCH_OBJECTIVES, DIRECTIONS, LABEL_OBJECTIVES
from scyan_exp.results import metrics as metrics_module
from scyan_exp.results.annotation import predict_cells
from scyan_exp.results.metrics import (
    EpochMetric,
    compute_metrics,
    ilisi,
    supervised_metrics,
    unsupervised_metrics,
)

#: What the config accepts as an objective is what is computed.
SUPERVISED = LABEL_OBJECTIVES
UNSUPERVISED = ("n_missing_populations", "davies_bouldin", "neg_log_dirichlet", "heuristic")
assert {"loss", "table_agreement", *UNSUPERVISED, *SUPERVISED, *BATCH_OBJECTIVES} == set(DIRECTIONS)

POPULATIONS = np.array(["B", "T", "NK", "Mono"], dtype=object)
INFINITE = float("inf")


def blobs(n_cells: int = 300, n_pops: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Population codes and their expressions."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_cells) % n_pops)
    x = rng.normal(size=(n_pops, 5))[codes] + 0.4 * rng.normal(size=(n_cells, 5))
    return codes, x.astype(np.float32)


def noisy_labels(n_cells: int = 400) -> tuple[pd.Series, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.choice(POPULATIONS, n_cells, p=[0.5, 0.3, 0.15, 0.05])
    wrong = rng.random(n_cells) < 0.2
    predicted = np.where(wrong, rng.choice(POPULATIONS, n_cells), true)
    return pd.Series(true, dtype=object), predicted


def test_supervised_metrics_are_those_of_scikit_learn():
    labels, predicted = noisy_labels()
    true, found = labels.astype(str), predicted.astype(str)
    assert supervised_metrics(labels, predicted, POPULATIONS) == pytest.approx(
        {
            "accuracy": sklearn_metrics.accuracy_score(true, found),
            "f1_macro": sklearn_metrics.f1_score(true, found, average="macro"),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(true, found),
        }
    )


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_populations_that_no_cell_has_count_against_f1_alone():
    labels = pd.Series(["B", "B", "T", "T"], dtype=object)
    predicted = np.array(["B", "B", "T", "NK"], dtype=object)
    found = supervised_metrics(labels, predicted, POPULATIONS)
    expected = sklearn_metrics.balanced_accuracy_score(labels, predicted)
    assert found["balanced_accuracy"] == pytest.approx(expected) == 0.75
    assert found["f1_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("other", ["residual gate", None, np.nan])
def test_cells_whose_label_has_no_row_are_not_scored(other):
    labels, predicted = noisy_labels()
    more = pd.concat([labels, pd.Series([other] * 50, dtype=object)])
    more_predicted = np.concatenate([predicted, np.repeat(POPULATIONS[:1], 50)])
    assert supervised_metrics(more, more_predicted, POPULATIONS) == supervised_metrics(
        labels, predicted, POPULATIONS
    )


@pytest.mark.parametrize("dtype", [object, "category"])
def test_perfect_annotation_scores_one(dtype):
    labels, _ = noisy_labels()
    found = supervised_metrics(labels.astype(dtype), labels.to_numpy(), POPULATIONS)
    assert found == dict.fromkeys(SUPERVISED, 1.0)


@pytest.mark.parametrize(
    ("labels", "shown"), [(["b", "t", "b"], "Labels: b, t."), ([None, None, None], "Labels: none.")]
)
def test_without_a_label_in_the_table_there_is_a_warning_instead(caplog, labels, shown):
    assert supervised_metrics(pd.Series(labels, dtype=object), POPULATIONS[:3], POPULATIONS) == {}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"no label is a row of the table, so accuracy is not measured. {shown} Rows: B, T, NK, Mono"
    )


def test_labels_of_mixed_types_are_shown_too(caplog):
    labels = pd.Series([1, "b", 2.5], dtype=object)
    assert supervised_metrics(labels, POPULATIONS[:3], POPULATIONS) == {}
    assert "no label is a row of the table" in caplog.text


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(2, 20), min_size=2, max_size=5),
    n_missing=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_unsupervised_metrics_follow_their_definition(sizes, n_missing, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    x = np.random.default_rng(seed).normal(size=(len(codes), 3)).astype(np.float32)
    found = unsupervised_metrics(codes, x, len(sizes) + n_missing)
    assert list(found) == list(UNSUPERVISED)
    assert found["n_missing_populations"] == n_missing
    overlap = sklearn_metrics.davies_bouldin_score(x, codes)
    assert found["davies_bouldin"] == pytest.approx(overlap)
    evenness = -sum(np.log(size / sum(sizes)) for size in sizes)
    assert found["neg_log_dirichlet"] == pytest.approx(evenness)
    product = (n_missing + 1) * found["davies_bouldin"] * found["neg_log_dirichlet"]
    assert found["heuristic"] == product


def test_even_and_separate_populations_have_the_lower_heuristic():
    codes, x = blobs()
    good = unsupervised_metrics(codes, x, 4)["heuristic"]
    shuffled = np.random.default_rng(1).permutation(codes)
    assert unsupervised_metrics(shuffled, x, 4)["heuristic"] > good
    assert unsupervised_metrics(codes, x, 5)["heuristic"] == pytest.approx(2 * good)


@pytest.mark.parametrize("n_pops", [1, 4])
def test_a_single_population_is_the_worst_annotation(n_pops):
    _, x = blobs()
    found = unsupervised_metrics(np.zeros(len(x), int), x, n_pops)
    assert found["n_missing_populations"] == n_pops - 1
    assert found["davies_bouldin"] == found["heuristic"] == INFINITE
    assert found["neg_log_dirichlet"] == 0


def test_as_many_populations_as_cells_have_no_overlap_to_measure():
    found = unsupervised_metrics(np.arange(3), np.eye(3, dtype=np.float32), 3)
    assert found["n_missing_populations"] == 0
    assert found["davies_bouldin"] == INFINITE


def test_many_cells_are_thinned_for_the_overlap_alone(monkeypatch):
    codes, x = blobs(n_cells=1001)
    monkeypatch.setattr(metrics_module, "DAVIES_BOULDIN_CELLS", 400)
    found = unsupervised_metrics(codes, x, 4)
    exact = sklearn_metrics.davies_bouldin_score(x, codes)
    assert found["davies_bouldin"] == pytest.approx(exact, rel=0.1)
    assert found["davies_bouldin"] != pytest.approx(exact, rel=1e-9)
    shares = np.bincount(codes) / 1001
    assert found["neg_log_dirichlet"] == pytest.approx(-np.log(shares).sum())


def test_a_model_is_scored_on_every_cell(trained):
    """Also on those too improbable to be annotated."""
    model, cells, _ = trained
    annotation = predict_cells(model, cells.x, cells.covariates)
    found = compute_metrics(annotation, cells)
    assert set(found) == {*SUPERVISED, *UNSUPERVISED, "table_agreement", "ilisi"}
    names = np.array(cells.table.populations)[annotation.population]
    assert found["accuracy"] == pytest.approx((names == cells.labels.to_numpy()).mean())
    assert found["davies_bouldin"] == pytest.approx(
        sklearn_metrics.davies_bouldin_score(cells.x.numpy(), annotation.population)
    )
    none_annotated = type(annotation)(**{**vars(annotation), "threshold": INFINITE})
    assert compute_metrics(none_annotated, cells) == found


def test_without_labels_only_what_needs_none(trained):
    model, cells, _ = trained
    unlabelled = replace(cells, labels=None, batches=None)
    found = compute_metrics(predict_cells(model, cells.x, cells.covariates), unlabelled)
    assert set(found) == {*UNSUPERVISED, "table_agreement"}


# ---------------------------------------------------------------- mixing of batches


def test_the_heuristic_is_divided_by_the_mixing_of_batches(trained):
    model, cells, _ = trained
    annotation = predict_cells(model, cells.x, cells.covariates)
    with_batches = compute_metrics(annotation, cells)
    without = compute_metrics(annotation, replace(cells, batches=None))
    assert set(with_batches) - set(without) == {"ilisi"}
    assert with_batches["ilisi"] == pytest.approx(ilisi(annotation.latent, cells.batches))
    expected = without.pop("heuristic") / with_batches.pop("ilisi")
    assert with_batches.pop("heuristic") == pytest.approx(expected)
    assert with_batches == without


def batches(n_cells: int, n_batches: int, seed: int = 0) -> pd.Series:
    codes = np.random.default_rng(seed).integers(n_batches, size=n_cells)
    names = np.array([f"batch {i}" for i in range(n_batches)], dtype=object)
    return pd.Series(names[codes], dtype=object)


def plain_ilisi(latent: np.ndarray, names: pd.Series, perplexity: float) -> float:
    """Korsunsky et al.: the inverse Simpson index of Gaussian neighbourhoods of a perplexity."""
    values = []
    for i in range(len(latent)):
        distances = np.linalg.norm(latent - latent[i], axis=1)
        near = np.argsort(distances, kind="stable")[1 : int(3 * perplexity) + 1]
        weights = neighbourhood(distances[near], perplexity)
        shares = pd.Series(weights).groupby(names.to_numpy()[near]).sum()
        values.append(1 / (shares**2).sum())
    return float(np.mean(values))


def neighbourhood(distances: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights exp(-beta d) whose entropy is the logarithm of the perplexity."""
    low, high = 1e-9, 1e9
    for _ in range(200):
        beta = np.sqrt(low * high)
        weights = np.exp(-beta * (distances - distances.min()))
        weights /= weights.sum()
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum()
        low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
    return weights


@pytest.mark.parametrize("n_batches", [2, 3])
@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_mixing_is_what_its_definition_says(n_batches, distance):
    names = batches(200, n_batches)
    latent = np.random.default_rng(1).normal(size=(200, 4))
    latent[:, 0] += distance * pd.factorize(names)[0]
    expected = plain_ilisi(latent, names, metrics_module.ILISI_PERPLEXITY)
    assert ilisi(latent.astype(np.float32), names) == pytest.approx(expected, rel=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    n_cells=st.integers(1, 150),
    n_batches=st.integers(1, 5),
    distance=st.sampled_from([0.0, 0.5, 3.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_mixing_lies_between_one_and_the_number_of_batches(n_cells, n_batches, distance, seed):
    names = batches(n_cells, n_batches, seed)
    latent = np.random.default_rng(seed).normal(size=(n_cells, 3))
    latent[:, 0] += distance * pd.factorize(names)[0]
    found = ilisi(latent.astype(np.float32), names)
    assert 1 - 1e-6 <= found <= names.nunique() + 1e-6


@pytest.mark.parametrize("n_cells", [300, 6000])
def test_separate_batches_are_not_mixed_and_shuffled_ones_are(n_cells):
    """Also where only some of the cells are looked at."""
    latent = np.random.default_rng(0).normal(size=(n_cells, 4)).astype(np.float32)
    names = batches(n_cells, 3)
    assert ilisi(latent, names) > 2.5
    apart = latent + 100 * pd.factorize(names)[0][:, None]
    assert ilisi(apart.astype(np.float32), names) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n_batches", [2, 3, 4])
def test_cells_in_turns_are_mixed_as_well_as_shuffled_ones(n_batches):
    """Looking at every second cell must not be looking at one of two batches."""
    n_cells = n_batches * metrics_module.ILISI_CELLS
    latent = np.random.default_rng(0).normal(size=(n_cells, 3)).astype(np.float32)
    in_turns = pd.Series([f"batch {i % n_batches}" for i in range(n_cells)], dtype=object)
    shuffled = ilisi(latent, batches(n_cells, n_batches))
    assert shuffled > 0.8 * n_batches
    assert ilisi(latent, in_turns) == pytest.approx(shuffled, rel=0.02)


@pytest.mark.parametrize("n_cells", [1, 2, 4, 50])
def test_cells_at_the_same_place_give_a_number(n_cells):
    """Empty droplets, or expressions cut off at the same value."""
    found = ilisi(np.zeros((n_cells, 3), np.float32), batches(n_cells, 2))
    assert 1 <= found <= 2


def test_a_cell_far_from_all_others_has_no_less_than_its_own_batch():
    latent = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    latent[:10], latent[-1] = 0, 1e9
    assert ilisi(latent, pd.Series(["a"] * 100, dtype=object)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [object, "category"])
def test_a_single_batch_and_batches_without_a_cell_are_no_mixing(dtype):
    latent = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    names = pd.Series(["a"] * 80).astype(dtype)
    if dtype == "category":
        names = names.cat.add_categories(["b"])
    assert ilisi(latent, names) == pytest.approx(1)


# ---------------------------------------------------------------- of an epoch


@pytest.mark.parametrize("name", sorted(set(DIRECTIONS) - {"loss", "heuristic"}))
def test_the_metric_of_an_epoch_is_that_of_a_run(trained, name):
    """Few cells: all are measured."""
    model, cells, _ = trained
    expected = compute_metrics(predict_cells(model, cells.x, cells.covariates), cells)
    assert EpochMetric(name, cells)(model) == pytest.approx(expected[name])
    assert model.training
    model.eval()


def test_the_heuristic_of_an_epoch_leaves_out_the_mixing_of_batches(trained):
    """Which takes longer than an epoch, and varies little."""
    model, cells, _ = trained
    alone = replace(cells, batches=None, labels=None)
    expected = compute_metrics(predict_cells(model, cells.x, cells.covariates), alone)
    assert EpochMetric("heuristic", cells)(model) == pytest.approx(expected["heuristic"])
    model.eval()


def test_of_many_cells_an_epoch_measures_some(trained, monkeypatch):
    model, cells, _ = trained
    monkeypatch.setattr(metrics_module, "EPOCH_CELLS", 250)
    exact = compute_metrics(predict_cells(model, cells.x, cells.covariates), cells)
    for name in ("accuracy", "table_agreement", "neg_log_dirichlet"):
        found = EpochMetric(name, cells)(model)
        assert found == pytest.approx(exact[name], rel=0.15, abs=0.05)
    model.eval()

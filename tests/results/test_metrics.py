"""Metrics against scikit-learn's own functions, and the reference's heuristic."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from scyan_exp.results import metrics as metrics_module
from scyan_exp.results.annotation import predict_cells
from scyan_exp.results.metrics import (
    compute_metrics,
    supervised_metrics,
    unsupervised_metrics,
)
from scyan_exp.schemas import BATCH_OBJECTIVES, DIRECTIONS, LABEL_OBJECTIVES

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
    assert set(found) == {*SUPERVISED, *UNSUPERVISED}
    names = np.array(cells.table.populations)[annotation.population]
    assert found["accuracy"] == pytest.approx((names == cells.labels.to_numpy()).mean())
    assert found["davies_bouldin"] == pytest.approx(
        sklearn_metrics.davies_bouldin_score(cells.x.numpy(), annotation.population)
    )
    none_annotated = type(annotation)(**{**vars(annotation), "threshold": INFINITE})
    assert compute_metrics(none_annotated, cells) == found


def test_without_labels_only_what_needs_none(trained):
    model, cells, _ = trained
    unlabelled = type(cells)(**{**vars(cells), "labels": None})
    found = compute_metrics(predict_cells(model, cells.x, cells.covariates), unlabelled)
    assert set(found) == set(UNSUPERVISED)

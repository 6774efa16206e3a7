"""Metrics of labelled cells against scikit-learn's own functions."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from scyan_exp.metrics import METRICS
from scyan_exp.metrics.inputs import Inputs
from scyan_exp.metrics.measuring import measure
from scyan_exp.results.measuring import label_codes

SUPERVISED = [name for name, one in METRICS.items() if "labels" in one.needs]
POPULATIONS = np.array(["B", "T", "NK", "Mono"], dtype=object)


def supervised_metrics(
    labels: pd.Series, predicted: np.ndarray, populations: np.ndarray
) -> dict[str, float]:
    """What is measured of labels, given names."""
    codes = pd.Index(populations).get_indexer(predicted)
    x, rho = np.zeros((len(codes), 1)), np.zeros((len(populations), 1))
    inputs = Inputs(codes, x, x, rho, label_codes(labels, list(populations)))
    return measure(inputs, SUPERVISED)


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
    ("labels", "shown"),
    [(["b", "t", "b"], "Labels: 'b', 't'."), ([None, None, None], "Labels: none.")],
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

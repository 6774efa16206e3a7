"""Metrics of a run at its end, and of a training after an epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from scyan_exp.metrics import METRICS, mixing
from scyan_exp.results import measuring
from scyan_exp.results.annotation import predict_cells
from scyan_exp.results.correction import corrected_inputs
from scyan_exp.results.measuring import EpochMetric, compute_metrics, correction_of
from tests.metrics.test_agreement import plain_table_agreement

#: A consensus, or an annotation alone, has no training loss.
OF_CELLS = [name for name in METRICS if name != "loss"]
EVERYWHERE = [name for name in OF_CELLS if not METRICS[name].needs]
INFINITE = float("inf")


def test_a_model_is_scored_on_every_cell(trained):
    """Also on those too improbable to be annotated."""
    model, cells, _ = trained
    annotation = predict_cells(model, cells.x, cells.covariates)
    found = compute_metrics(annotation, cells, corrected_of=correction_of(model, cells))
    assert set(found) == set(OF_CELLS)
    names = np.array(cells.table.populations)[annotation.population]
    assert found["accuracy"] == pytest.approx((names == cells.labels.to_numpy()).mean())
    assert found["davies_bouldin"] == pytest.approx(
        sklearn_metrics.davies_bouldin_score(cells.x.numpy(), annotation.population)
    )
    none_annotated = type(annotation)(**{**vars(annotation), "threshold": INFINITE})
    correction = correction_of(model, cells)
    assert compute_metrics(none_annotated, cells, corrected_of=correction) == found


def test_agreement_with_the_table_is_a_metric_of_every_annotation(trained):
    model, cells, _ = trained
    annotation = predict_cells(model, cells.x, cells.covariates)
    expected = plain_table_agreement(cells.x.numpy(), annotation.population, cells.table.rho)
    assert compute_metrics(annotation, cells)["table_agreement"] == pytest.approx(expected)


def test_without_labels_only_what_needs_none(trained):
    model, cells, _ = trained
    unlabelled = replace(cells, labels=None, batches=None)
    found = compute_metrics(predict_cells(model, cells.x, cells.covariates), unlabelled)
    assert set(found) == set(EVERYWHERE)


def test_the_heuristic_is_divided_by_the_mixing_of_batches_after_correction(trained):
    model, cells, _ = trained
    annotation = predict_cells(model, cells.x, cells.covariates)
    with_batches = compute_metrics(annotation, cells, corrected_of=correction_of(model, cells))
    without = compute_metrics(annotation, replace(cells, batches=None))
    assert set(with_batches) - set(without) == {"ilisi", "ilisi_uncorrected"}
    codes, _ = pd.factorize(cells.batches)
    largest = cells.batches.value_counts().index[0]
    corrected = corrected_inputs(model, cells.x, cells.covariates, largest)
    assert with_batches["ilisi"] == pytest.approx(mixing.mean_lisi(corrected, codes))
    uncorrected = with_batches.pop("ilisi_uncorrected")
    assert uncorrected == pytest.approx(mixing.mean_lisi(cells.x.numpy(), codes))
    expected = without.pop("heuristic") / with_batches.pop("ilisi")
    assert with_batches.pop("heuristic") == pytest.approx(expected)
    assert with_batches == without


@pytest.mark.parametrize("name", sorted({*OF_CELLS} - {"heuristic"}))
def test_the_metric_of_an_epoch_is_that_of_a_run(trained, name):
    """Few cells: all are measured."""
    model, cells, _ = trained
    correction = correction_of(model, cells)
    annotation = predict_cells(model, cells.x, cells.covariates)
    expected = compute_metrics(annotation, cells, corrected_of=correction)
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
    monkeypatch.setattr(measuring, "EPOCH_CELLS", 250)
    exact = compute_metrics(predict_cells(model, cells.x, cells.covariates), cells)
    for name in ("accuracy", "table_agreement", "neg_log_dirichlet"):
        found = EpochMetric(name, cells)(model)
        assert found == pytest.approx(exact[name], rel=0.15, abs=0.05)
    model.eval()

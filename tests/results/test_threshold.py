"""The curve that helps to choose ``predict.log_prob_th``, and its figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.results.figures.threshold import threshold_curve, threshold_figure
from tests.results.conftest import make_annotation
from tests.results.test_figures import drawn, texts

LOG_PROB = [-9.0, -7.0, -5.0, -3.0, -1.0, -1.0]
LABELS = pd.Series(["B", "T", "B", "ungated", "ungated", None], dtype=object)


def annotation_at(threshold: float):
    return make_annotation(["B", "T"], [1, 1, 0, 0, 0, 1], log_prob=LOG_PROB, threshold=threshold)


@pytest.mark.parametrize(
    ("threshold", "annotated", "accuracy", "others"),
    [(-50, 1, 2 / 3, 1), (-8, 5 / 6, 1, 1), (-5, 4 / 6, 1, 1), (-2, 2 / 6, np.nan, 0.5)],
)
def test_shares_at_a_threshold(threshold, annotated, accuracy, others):
    found = threshold_curve(annotation_at(threshold), LABELS).at(threshold)
    np.testing.assert_allclose(found, [annotated, accuracy, others])


def test_the_threshold_itself_is_annotated_as_in_the_file():
    annotation = annotation_at(-5)
    curve = threshold_curve(annotation, None)
    assert curve.at(-5)[0] == (annotation.codes >= 0).mean()
    assert np.isnan(curve.accuracy).all()
    assert np.isnan(curve.others).all()


@given(st.lists(st.floats(-500, 20, width=32), min_size=2, max_size=60), st.floats(-100, 0))
def test_a_higher_threshold_never_annotates_more(log_prob, threshold):
    codes = np.arange(len(log_prob)) % 2
    annotation = make_annotation(["B", "T"], codes, log_prob=log_prob, threshold=threshold)
    curve = threshold_curve(annotation, None)
    assert (np.diff(curve.threshold) > 0).all()
    assert (np.diff(curve.annotated) <= 0).all()
    assert curve.at(threshold)[0] == pytest.approx((annotation.codes >= 0).mean())


def test_the_figure_marks_the_threshold_and_says_what_it_leaves():
    axes = drawn(threshold_figure(annotation_at(-8), LABELS))
    assert texts(axes.get_legend().get_texts()) == [
        "cells annotated: 83.3%",
        "of these right (label is a row): 100.0%",
        "annotated, of the cells whose label is no row: 100.0%",
    ]
    assert axes.get_legend().get_title().get_text() == "at -8 (dashed)"
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [-8]
    alone = drawn(threshold_figure(annotation_at(-8)))
    assert texts(alone.get_legend().get_texts()) == ["cells annotated: 83.3%"]

"""Signs of a good or a spoilt annotation, without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.figures.trust import trust_figure
from scyan_exp.results.signs import Signs, signs_of
from tests.data.test_cells_doubts import TABLE, draw, edited

N = 8000
RIGHT = np.arange(N) % 4
LOST = np.where(RIGHT == 2, 3, RIGHT)


def signs(
    population: np.ndarray, x: np.ndarray | None = None, table: KnowledgeTable = TABLE
) -> Signs:
    x = draw() if x is None else x
    return signs_of(table, x, population, np.zeros(len(x)))


def test_a_right_annotation_has_no_sign_against_it():
    found = signs(RIGHT)
    assert found.kept == pytest.approx(1, abs=1e-3)
    for name in ("wrong", "avoidable", "unmatched", "contradicted", "unfit"):
        assert getattr(found, name) == pytest.approx(0, abs=1e-3), name
    assert found.fall == pytest.approx(0, abs=1e-3)
    assert not found.empty.any()
    assert not found.hardly_matched.any()
    np.testing.assert_allclose(found.right[~np.isnan(TABLE.rho)], 1, atol=2e-3)
    assert np.isnan(found.right[np.isnan(TABLE.rho)]).all()


def test_a_population_that_lost_its_cells_is_seen():
    found = signs(LOST)
    assert found.kept == pytest.approx(0.75, abs=1e-3)
    assert found.avoidable == pytest.approx(0.25, abs=1e-3)
    np.testing.assert_array_equal(found.empty, [False, False, True, False])
    assert found.fall > 0.1
    np.testing.assert_allclose(found.gained, [0, 0, -0.25, 0.25], atol=1e-3)


def test_populations_that_changed_places_are_seen():
    found = signs(np.array([1, 0, 2, 3])[RIGHT])
    wrong = {(TABLE.populations[p], TABLE.markers[m]) for p, m in np.argwhere(found.contradictions)}
    assert {("T cells", "CD19"), ("B cells", "CD3")} <= wrong
    assert found.contradicted >= 0.5
    assert found.wrong == pytest.approx(4 / 15, abs=1e-2)  # 2 of 4 entries of half of the cells


def test_a_row_with_a_wrong_sign_is_hardly_matched():
    table = edited("T cells", "CD3", -1)
    found = signs(RIGHT, table=table)
    np.testing.assert_array_equal(found.hardly_matched, [True, False, False, False])
    assert found.contradictions[0, 0]
    assert found.unmatched == pytest.approx(0.25, abs=1e-3)


def test_cells_that_match_no_row_are_counted():
    x = np.concatenate([draw(), np.full((N, 4), 1.0)])
    found = signs(np.concatenate([RIGHT, np.zeros(N, int)]), x)
    assert found.unmatched == pytest.approx(0.5, abs=1e-3)
    assert found.kept == pytest.approx(1, abs=1e-3)


def test_cells_that_no_population_fits_are_counted():
    log_prob = np.where(np.arange(N) < N // 10, -51.0, -3.0)
    assert signs_of(TABLE, draw(), RIGHT, log_prob).unfit == pytest.approx(0.1)


def test_of_few_cells_nothing_is_said():
    found = signs(RIGHT[:16], draw(n_cells=16))
    assert np.isnan(found.kept)
    assert np.isnan(found.right).all()
    assert not found.contradictions.any()
    assert not found.hardly_matched.any()


def test_what_the_verdict_does_not_judge_has_no_colour():
    """CD3 parts the cells, but not clearly, and has no population that is negative."""
    x, rho = draw(), TABLE.rho.copy()
    x[:, 0] = np.where(RIGHT < 2, 0.9, -0.9) + np.random.default_rng(0).normal(0, 0.6, N)
    rho[:, 0] = [1, np.nan, np.nan, np.nan]
    table = replace(TABLE, rho=rho)
    found = signs(RIGHT, x, table)
    assert np.isfinite(found.right[0, 0])
    assert not found.judged[0, 0]
    assert not (found.contradictions & ~found.judged).any()
    annotation = Annotation(table, RIGHT, np.zeros(N), x, np.ones(N))
    figure = trust_figure(annotation, found)
    FigureCanvasAgg(figure).draw()
    image = figure.axes[0].images[0].get_array()
    assert image.mask[0, 0]
    np.testing.assert_array_equal(image.mask, ~(found.judged & np.isfinite(found.right)))
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0] == "contradicted"
    assert "not judged: the marker does not part the cells clearly, or too few cells" in texts


def test_without_a_marker_that_parts_the_cells_there_is_little_to_say():
    x = np.random.default_rng(0).normal(0, 1, (N, 4))
    found = signs(RIGHT, x)
    assert np.isnan(found.kept)
    assert np.isnan(found.wrong)
    assert found.unmatched == 0


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_the_scale_of_the_markers_makes_no_difference_to_what_thresholds_tell(scale):
    plain, scaled = (signs(LOST, factor * draw() + 3) for factor in (1, scale))
    for name in ("kept", "avoidable", "unmatched", "wrong"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), abs=1e-3), name
    np.testing.assert_array_equal(scaled.contradictions, plain.contradictions)

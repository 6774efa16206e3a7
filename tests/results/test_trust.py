"""Signs of a good or a spoilt annotation, without labels."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.results.trust import signs_of
from tests.data.test_cells_doubts import TABLE, draw

N = 8000
RIGHT = np.arange(N) % 4


def test_a_right_annotation_keeps_all_cells_and_contradicts_nothing():
    signs = signs_of(TABLE, draw(), RIGHT)
    assert signs.kept == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(signs.kept_by_population, 1, atol=2e-3)
    assert not signs.contradictions.any()
    assert (signs.n_empty, signs.contradicted) == (0, 0)


def test_a_population_that_lost_its_cells_is_seen():
    lost = np.where(RIGHT == 2, 3, RIGHT)
    signs = signs_of(TABLE, draw(), lost)
    assert signs.kept == pytest.approx(0.75, abs=1e-3)
    np.testing.assert_allclose(signs.kept_by_population, [1, 1, 0, 1], atol=2e-3)
    assert signs.kept_mean == pytest.approx(0.75, abs=2e-3)
    assert signs.n_empty == 1


def test_populations_that_changed_places_are_seen():
    exchanged = np.array([1, 0, 2, 3])[RIGHT]
    signs = signs_of(TABLE, draw(), exchanged)
    np.testing.assert_allclose(signs.kept_by_population, [0, 0, 1, 1], atol=2e-3)
    wrong = {(TABLE.populations[p], TABLE.markers[m]) for p, m in np.argwhere(signs.contradictions)}
    assert {("T cells", "CD19"), ("B cells", "CD3")} <= wrong
    assert signs.contradicted >= 0.5


def test_the_share_of_kept_cells_is_of_those_that_match_one_row_alone():
    x = np.concatenate([draw(), np.full((N, 4), 1.0)])  # these match none
    signs = signs_of(TABLE, x, np.concatenate([RIGHT, np.zeros(N, int)]))
    assert signs.kept == pytest.approx(1, abs=1e-3)


def test_of_few_cells_nothing_is_said():
    signs = signs_of(TABLE, draw(n_cells=16), RIGHT[:16])
    assert np.isnan(signs.kept)
    assert np.isnan(signs.kept_mean)
    assert not signs.contradictions.any()


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_the_scale_of_the_markers_makes_no_difference(scale):
    lost = np.where(RIGHT == 2, 3, RIGHT)
    signs, scaled = (signs_of(TABLE, factor * draw() + 3, lost) for factor in (1, scale))
    assert scaled.kept == pytest.approx(signs.kept, abs=1e-3)
    np.testing.assert_array_equal(scaled.contradictions, signs.contradictions)

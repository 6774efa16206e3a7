"""How far apart two distributions lie."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.data.distribution import SHARES, distances, quantiles


def normal(n_cells: int = 5000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_cells, 3))


def test_quantiles_are_those_of_each_marker():
    x = np.linspace([0.0, 10.0], [1.0, 30.0], 1001)
    np.testing.assert_allclose(quantiles(x), np.stack([SHARES, 10 + 20 * SHARES], axis=1))


def test_of_many_cells_the_quantiles_hardly_differ():
    x = normal(60_000)
    np.testing.assert_allclose(quantiles(x), np.quantile(x, SHARES, axis=0), atol=0.1)


def test_a_shift_is_measured_in_standard_deviations():
    x = normal()
    found = distances(quantiles(7 * x), quantiles(7 * x + 14))
    np.testing.assert_allclose(found, 2, rtol=0.05)


@pytest.mark.parametrize("factor", [2.0, 5.0])
def test_a_spread_that_shrinks_counts_as_one_that_grows(factor):
    narrow, wide = quantiles(normal()), quantiles(factor * normal(seed=1))
    np.testing.assert_allclose(distances(narrow, wide), distances(wide, narrow))
    np.testing.assert_allclose(distances(narrow, wide), 0.8 * (factor - 1), rtol=0.1)


def test_markers_that_are_constant_are_the_same_or_infinitely_far():
    seen, new = np.zeros((100, 2)), np.zeros((100, 2))
    new[:, 1] = 1
    np.testing.assert_array_equal(distances(seen, new), [0, np.inf])

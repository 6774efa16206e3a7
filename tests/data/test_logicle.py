"""The logicle scale: as the papers and other programs have it, and back again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flowutils.transforms import logicle as flowutils_logicle
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from scyan_exp.data import Preprocessing
from scyan_exp.data.transforms.logicle import (
    FEWEST_NEGATIVES,
    LARGEST_WIDTH,
    LEAST_WIDTH,
    Logicle,
)
from tests.data.raw_cells import flow
from tests.data.spleen import read_spleen


def transformed(logicle: Logicle, raw: np.ndarray) -> np.ndarray:
    x = np.array(raw, float)
    logicle.apply_to(x)
    return x


def biexponential(y: np.ndarray, top: float, width: float, decades: float) -> np.ndarray:
    """Raw units of logicle values, from the definition of the scale (Parks et al. 2006).

    ``e^(y-w) - p^2 e^-(y-w)/p + p^2 - 1`` above ``w``, in natural units, with
    ``w = 2 p ln p / (p + 1)``; below, its mirror image; times what makes ``top`` of 1.
    """
    m, w = decades * np.log(10), width * np.log(10)
    p = brentq(lambda p: 2 * p * np.log(p) / (p + 1) - w, 1, 1e6)

    def signal(y: np.ndarray | float) -> np.ndarray:
        far = np.abs(y - w)
        return np.sign(y - w) * (np.exp(far) - p**2 * np.exp(-far / p) + p**2 - 1)

    return top * signal(m * y) / signal(m)


@pytest.mark.parametrize(("top", "width"), [(262144.0, 0.5), (50_000.0, 1.2), (1e6, 2.0)])
def test_it_is_the_scale_of_its_definition(top, width):
    y = np.linspace(-0.3, 1.1, 50)[:, None]
    logicle = Logicle([[top, width, 4.5, 0.0]])
    raw = biexponential(y, top, width, 4.5)
    np.testing.assert_allclose(transformed(logicle, raw), y, atol=1e-6)
    np.testing.assert_allclose(logicle.undo(y), raw, rtol=1e-6, atol=1e-6 * top)


def test_it_is_that_of_flowkit():
    flowkit = pytest.importorskip("flowkit")
    logicle = Logicle.fit(flow())
    ours = transformed(logicle, flow())
    for m, (top, width, decades, negative) in enumerate(logicle.constants):
        theirs = flowkit.transforms.LogicleTransform(top, width, decades, negative)
        np.testing.assert_allclose(ours[:, m], theirs.apply(flow()[:, m].astype(float)), atol=1e-7)


@settings(deadline=None, max_examples=100)
@given(
    top=st.floats(1e-2, 1e7),
    width=st.floats(0.5, 2.25),
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200),
)
def test_values_from_the_table_are_those_of_flowutils(top, width, values):
    """In and outside of the table; equal to what a number of 32 bits can tell."""
    logicle, raw = Logicle([[top, width, 4.5, 0.0]]), np.array(values)
    expected = flowutils_logicle(raw, None, t=top, w=width, m=4.5, a=0)
    found = transformed(logicle, raw[:, None])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=6e-8, atol=3e-8)
    near_zero = np.linspace(-top, top, 1001)
    expected = flowutils_logicle(near_zero, None, t=top, w=width, m=4.5, a=0)
    found = transformed(logicle, near_zero[:, None])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-8)


def test_cells_alone_have_the_values_they_have_among_others():
    logicle = Logicle.fit(flow())
    together = transformed(logicle, flow())
    for some in (slice(0, 1), slice(7, 300)):
        np.testing.assert_array_equal(transformed(logicle, flow()[some]), together[some])


def test_its_top_is_1_and_0_is_the_middle_of_the_linear_part():
    logicle = Logicle.fit(flow())
    top, width, decades, _ = np.array(logicle.constants).T
    np.testing.assert_allclose(top, flow().max(axis=0))
    np.testing.assert_allclose(transformed(logicle, top[None]), 1)
    np.testing.assert_allclose(transformed(logicle, np.zeros((1, 4)))[0], width / decades)


def test_the_linear_part_reaches_as_far_down_as_the_negatives():
    """The 5% quantile of the negatives is near the lower end of the scale, by the usual rule."""
    raw = flow(20_000).astype(float)
    low = np.array([[np.quantile(x[x < 0], 0.05) for x in raw.T]])
    logicle = Logicle.fit(raw)
    width = (4.5 - np.log10(raw.max(axis=0) / -low[0])) / 2
    np.testing.assert_allclose([w for _, w, _, _ in logicle.constants], width)
    found, zero = transformed(logicle, low)[0], width / 4.5
    assert ((found > 0) & (found < zero / 2)).all()


def test_more_noise_has_a_wider_linear_part():
    widths = [Logicle.fit(flow(noise=noise)).constants[0][1] for noise in (50, 300, 1000)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] - 0.5


def test_without_negatives_the_lowest_cells_are_shown_on_the_linear_part():
    raw = flow() + 2000
    (top, width, decades, _), *_ = Logicle.fit(raw).constants
    low = np.quantile(raw[:, 0], 0.05)
    assert width == pytest.approx((decades - np.log10(top / low)) / 2)


def test_a_few_negatives_are_not_asked():
    raw = np.linspace(100, 1e5, 2000)[:, None]
    without = Logicle.fit(raw).constants
    raw[: FEWEST_NEGATIVES - 1] = -3e4
    assert Logicle.fit(raw).constants[0][1] == pytest.approx(without[0][1], abs=0.05)
    raw[:FEWEST_NEGATIVES] = -3e4
    assert Logicle.fit(raw).constants[0][1] > without[0][1] + 0.2


def test_the_linear_part_has_bounds():
    """Of the scale's 4.5 decades at least one half, and at most half."""
    assert Logicle.fit(flow(noise=0.01)).constants[3][1] == LEAST_WIDTH == 0.5
    over_compensated = np.linspace(-1e5, 10, 500)[:, None]
    assert Logicle.fit(over_compensated).constants[0][1] == LARGEST_WIDTH == 2.25


@pytest.mark.parametrize(
    "raw",
    [np.zeros(50), np.full(50, -7.0), np.full(50, 1e-3), np.linspace(-1e5, 10, 50), np.ones(1)],
    ids=["zero", "negative", "tiny", "over-compensated", "one cell"],
)
def test_any_marker_has_a_scale(raw):
    logicle = Logicle.fit(raw[:, None])
    x = transformed(logicle, raw[:, None])
    assert np.isfinite(x).all()
    np.testing.assert_allclose(logicle.undo(x)[:, 0], raw, rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 1000),
    noise=st.floats(1, 3000),
    n_cells=st.integers(1, 200),
    scale=st.booleans(),
)
def test_undo_gives_raw_units_back_to_float_precision(seed, noise, n_cells, scale):
    raw = flow(n_cells + 1, seed, noise)
    preprocessing, x = Preprocessing.fit_apply(raw, transform="logicle", scale=scale)
    inside = np.abs(x) < preprocessing.max_value if scale else np.ones_like(x, bool)
    back = preprocessing.undo(x)
    assert back.dtype == np.float32
    # A step of float32 at the top of the scale, in raw units near 0: the linear part is r wide.
    near_zero = 1e-4 * np.maximum(noise, np.abs(raw).max(axis=0) * 1e-3)
    assert (np.abs(back - raw) <= 1e-4 * np.abs(raw) + near_zero)[inside].all()


@settings(deadline=None, max_examples=50)
@given(
    values=st.lists(st.floats(-1e5, 1e7, width=32), min_size=2, max_size=50),
    seed=st.integers(0, 100),
)
def test_larger_raw_values_are_larger_transformed(values, seed):
    """Also outside of what was measured, and never so that the order of two cells changes."""
    logicle = Logicle.fit(flow(seed=seed))
    raw = np.sort(np.array(values))
    x = transformed(logicle, np.repeat(raw[:, None], 4, axis=1))
    assert (np.diff(x, axis=0) >= 0).all()
    apart = np.diff(raw) > 1e-6 * np.abs(raw[1:]) + 1e-2
    assert (np.diff(x, axis=0)[apart] > 0).all()


def test_the_spleen_looks_as_prepared_by_hand(real_data: Path):
    """Scaled, each marker is nearly a linear function of what FlowUtils' defaults give."""
    folder = real_data / "mouse_spleen"
    raw, prepared = read_spleen(folder, transformed=False).X, read_spleen(folder).X
    _, x = Preprocessing.fit_apply(raw, transform="logicle")
    for ours, theirs in zip(x.T, prepared.T, strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > 0.95

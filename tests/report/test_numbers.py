"""Numbers as a page holds them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.report.numbers import plain, rounded, thinned


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_keeps_four_digits(value):
    assert rounded(value) == pytest.approx(value, rel=1e-3, abs=1e-300)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null(value):
    assert rounded(value) is None
    assert plain(value) is None


def test_plain_values():
    values = [np.bool_(True), np.int8(3), np.float32(0.5), (1, "a"), {"batch": "a"}]
    assert [plain(one) for one in values] == [True, 3, 0.5, [1, "a"], "{'batch': 'a'}"]


@given(st.integers(0, 500), st.integers(2, 60))
def test_thinned_points_are_few_ordered_and_hold_both_ends(n, most):
    some = list(thinned(n, most))
    assert some == sorted(set(some))
    assert len(some) == min(n, most)
    assert not n or (some[0], some[-1]) == (0, n - 1)

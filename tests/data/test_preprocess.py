"""Transforming and scaling, against the definition and the reference."""

from __future__ import annotations

import importlib
import warnings

import anndata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.data import Preprocessing
from tests.data.raw_cells import counts, flow


@pytest.fixture(scope="module")
def reference():
    """The reference's ``scyan.preprocess``; packages it imports warn of what they lack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("scyan.preprocess")


def intensities(n_cells: int = 500, seed: int = 0) -> np.ndarray:
    """Skewed positive numbers like those of a cytometer, 4 markers of other sizes."""
    rng = np.random.default_rng(seed)
    return rng.gamma(1.5, [3.0, 20.0, 80.0, 300.0], size=(n_cells, 4)).astype(np.float32)


def fitted(raw: np.ndarray, **settings) -> tuple[Preprocessing, np.ndarray]:
    preprocessing = Preprocessing.fit(raw, **settings)
    return preprocessing, preprocessing.apply(raw)


def test_without_transform_and_scale_nothing_changes():
    raw = intensities()
    preprocessing, x = fitted(raw, transform="none", scale=False)
    np.testing.assert_array_equal(x, raw)
    assert x is not raw
    assert preprocessing.std is None


@pytest.mark.parametrize("cofactor", [5.0, 150.0])
def test_asinh_divides_by_the_cofactor(cofactor):
    raw = intensities()
    _, x = fitted(raw, transform="asinh", cofactor=cofactor, scale=False)
    np.testing.assert_allclose(x, np.arcsinh(raw.astype(float) / cofactor), rtol=1e-5)


def test_standardised_markers_have_mean_0_and_std_1():
    _, x = fitted(intensities(), transform="none", max_value=1e9)
    np.testing.assert_allclose(x.mean(axis=0, dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0, dtype=float), 1, rtol=1e-6)


def test_asinh_and_scale_send_0_to_minus_1_with_std_1():
    preprocessing, x = fitted(intensities(), transform="asinh", max_value=1e9)
    np.testing.assert_allclose(preprocessing.apply(np.zeros((1, 4))), -1, rtol=1e-6)
    np.testing.assert_allclose(x.std(axis=0, dtype=float), 1, rtol=1e-6)


@pytest.mark.parametrize("transform", ["none", "asinh"])
@pytest.mark.parametrize("center", [None, True, False])
@pytest.mark.parametrize("max_value", [10.0, 1.5])
def test_equals_the_reference(reference, transform, center, max_value):
    raw = intensities()
    adata = anndata.AnnData(raw.astype(float))
    if transform == "asinh":
        reference.asinh_transform(adata, cofactor=7)
    reference.scale(adata, max_value=max_value, center=center)
    _, x = fitted(raw, transform=transform, cofactor=7.0, center=center, max_value=max_value)
    np.testing.assert_allclose(x, adata.X, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transform", ["none", "asinh"])
def test_undo_equals_the_reference(reference, transform):
    adata = anndata.AnnData(intensities().astype(float))
    if transform == "asinh":
        reference.asinh_transform(adata)
    reference.scale(adata, max_value=1e9)
    preprocessing = Preprocessing.fit(intensities(), transform=transform, max_value=1e9)
    x = adata.X.copy()
    adata.X = reference.unscale(adata)
    expected = reference.inverse_transform(adata) if transform == "asinh" else adata.X
    np.testing.assert_allclose(preprocessing.undo(x), expected, rtol=1e-4, atol=1e-4)


def test_center_chooses_what_goes_to_0():
    raw = intensities()
    _, centered = fitted(raw, transform="asinh", center=True)
    np.testing.assert_allclose(centered.mean(axis=0, dtype=float), 0, atol=1e-6)
    preprocessing, _ = fitted(raw, transform="none", center=False)
    np.testing.assert_allclose(preprocessing.apply(np.zeros((1, 4))), -1, rtol=1e-6)


def test_scaled_values_are_clipped_on_both_sides():
    raw = np.array([[0.0], [1.0]] * 50 + [[1e4], [-1e4]])
    _, x = fitted(raw, transform="none", max_value=3.0)
    assert x.max() == 3
    assert x.min() == -3


def test_new_cells_are_scaled_by_the_constants_of_the_old():
    old, new = intensities(seed=0), intensities(seed=1)
    preprocessing, _ = fitted(old, transform="none", max_value=1e9)
    expected = (new - old.mean(axis=0, dtype=float)) / old.std(axis=0, dtype=float)
    np.testing.assert_allclose(preprocessing.apply(new), expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 100),
    transform=st.sampled_from(["none", "asinh", "logicle"]),
    cofactor=st.floats(1, 500) | st.lists(st.floats(1, 500), min_size=4, max_size=4),
    scale=st.booleans(),
    center=st.none() | st.booleans(),
)
def test_undo_is_the_inverse_where_nothing_was_clipped(seed, transform, cofactor, scale, center):
    raw = intensities(60, seed)
    choice = {"transform": transform, "cofactor": cofactor, "scale": scale, "center": center}
    preprocessing, x = fitted(raw, **choice)
    inside = np.abs(x) < preprocessing.max_value if scale else np.ones_like(x, bool)
    atol = 1e-4 * raw.std(axis=0)
    error = np.abs(preprocessing.undo(x) - raw)
    assert (error <= 1e-3 * np.abs(raw) + atol)[inside].all()


@pytest.mark.parametrize("transform", ["none", "asinh", "logicle"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_callers_array_is_not_changed(transform, dtype):
    raw = intensities().astype(dtype)
    before = raw.copy()
    preprocessing, x = fitted(raw, transform=transform)
    preprocessing.undo(x)
    np.testing.assert_array_equal(raw, before)
    assert x.dtype == np.float32
    inputs = x.copy()
    preprocessing.undo(x)
    np.testing.assert_array_equal(x, inputs)


def test_whole_numbers_are_undone_as_any_others():
    preprocessing = Preprocessing.fit(intensities(), transform="none")
    whole = np.array([[0, 1, -1, 2]])
    np.testing.assert_allclose(preprocessing.undo(whole), preprocessing.undo(whole.astype(float)))


def test_each_marker_has_its_cofactor():
    raw = intensities()
    _, x = fitted(raw, transform="asinh", cofactor=[5.0, 20.0, 100.0, 150.0], scale=False)
    for m, cofactor in enumerate([5.0, 20.0, 100.0, 150.0]):
        _, alone = fitted(raw[:, [m]], transform="asinh", cofactor=cofactor, scale=False)
        np.testing.assert_array_equal(x[:, [m]], alone)


@pytest.mark.parametrize("transform", ["none", "asinh", "logicle"])
def test_what_is_fitted_is_what_is_applied(transform):
    raw = intensities()
    preprocessing, x = Preprocessing.fit_apply(raw, transform=transform)
    assert preprocessing == Preprocessing.fit(raw, transform=transform)
    np.testing.assert_array_equal(x, preprocessing.apply(raw))


def test_intensities_on_the_logicle_scale_are_standardised():
    _, x = fitted(flow(), transform="logicle", center="auto", max_value=1e9)
    np.testing.assert_allclose(x.mean(axis=0, dtype=float), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0, dtype=float), 1, rtol=1e-5)


def test_constants_of_earlier_versions_are_read():
    """Checkpoints hold what ``to_dict`` gave: before there were quantiles, and before logicle."""
    first = {
        "transform": "asinh",
        "cofactor": 5.0,
        "center": [1.0],
        "std": [2.0],
        "max_value": 10.0,
    }
    for known in (first, first | {"quantiles": [[0.0]] * 100}):
        x = Preprocessing(**known).apply(np.array([[30.0]]))
        np.testing.assert_allclose(x, (np.arcsinh(6) - 1) / 2, rtol=1e-6)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"transform": "asinh", "cofactor": 150.0},
        {"transform": "asinh", "cofactor": [5.0, 20.0, 100.0, 150.0]},
        {"transform": "logicle", "compensation": {"kind": "matrix", "numbers": [[1.0, 0.0]]}},
    ],
    ids=["cofactor", "cofactors", "logicle"],
)
def test_a_copy_made_of_the_dict_does_the_same(scale, settings):
    raw = intensities()
    preprocessing, x = fitted(raw, **settings, scale=scale, max_value=2.0)
    again = Preprocessing(**preprocessing.to_dict())
    assert again == preprocessing
    np.testing.assert_array_equal(again.apply(raw), x)
    assert types_in(preprocessing.to_dict()) <= {dict, list, str, float, type(None)}


def types_in(value: object) -> set[type]:
    """The types of a value, and of all that it holds."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*(types_in(part) for part in parts))


def test_many_cells_far_from_zero_are_measured_exactly():
    """More cells than one chunk, and a mean that swallows the deviations in float32 sums."""
    raw = (1000 + np.random.default_rng(0).normal(size=(150_001, 2))).astype(np.float32)
    preprocessing = Preprocessing.fit(raw, transform="none")
    np.testing.assert_allclose(preprocessing.center, raw.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(preprocessing.std, raw.std(axis=0, dtype=float), rtol=1e-10)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_counts_keep_0_at_minus_1_by_themselves(noise):
    """With or without the noise below one ion that some cytometers add."""
    raw = counts() - noise * np.random.default_rng(1).random((2000, 4))
    preprocessing = Preprocessing.fit(raw, transform="asinh", center="auto")
    np.testing.assert_allclose(preprocessing.apply(np.zeros((1, 4))), -1, rtol=1e-6)


@pytest.mark.parametrize(
    ("raw", "transform"), [(flow(), "asinh"), (counts(), "none"), (flow(), "none")]
)
def test_other_cells_are_centred_by_themselves(raw, transform):
    preprocessing = Preprocessing.fit(raw, transform=transform, center="auto", max_value=1e9)
    np.testing.assert_allclose(preprocessing.apply(raw).mean(axis=0), 0, atol=1e-5)


def test_some_markers_without_negatives_do_not_make_counts_another_thing():
    raw = counts()
    raw[:, 0] += 700
    preprocessing = Preprocessing.fit(raw, transform="asinh", center="auto")
    assert preprocessing.center == preprocessing.std

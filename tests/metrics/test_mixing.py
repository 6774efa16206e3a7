"""The mixing of batches against its definition, where it ends, and before and after correction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.metrics import mixing
from scyan_exp.metrics.sampling import sample


def ilisi(values: np.ndarray, names: pd.Series) -> float:
    return mixing.ilisi_uncorrected(values, pd.factorize(names)[0])


def batches(n_cells: int, n_batches: int, seed: int = 0) -> pd.Series:
    codes = np.random.default_rng(seed).integers(n_batches, size=n_cells)
    names = np.array([f"batch {i}" for i in range(n_batches)], dtype=object)
    return pd.Series(names[codes], dtype=object)


def plain_ilisi(latent: np.ndarray, names: pd.Series, perplexity: float) -> float:
    """Korsunsky et al.: the inverse Simpson index of Gaussian neighbourhoods of a perplexity."""
    values = []
    for i in range(len(latent)):
        distances = np.linalg.norm(latent - latent[i], axis=1)
        near = np.argsort(distances, kind="stable")[1 : int(3 * perplexity) + 1]
        weights = neighbourhood(distances[near], perplexity)
        shares = pd.Series(weights).groupby(names.to_numpy()[near]).sum()
        values.append(1 / (shares**2).sum())
    return float(np.mean(values))


def neighbourhood(distances: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights exp(-beta d) whose entropy is the logarithm of the perplexity."""
    low, high = 1e-9, 1e9
    for _ in range(200):
        beta = np.sqrt(low * high)
        weights = np.exp(-beta * (distances - distances.min()))
        weights /= weights.sum()
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum()
        low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
    return weights


@pytest.mark.parametrize("n_batches", [2, 3])
@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_mixing_is_what_its_definition_says(n_batches, distance):
    names = batches(200, n_batches)
    latent = np.random.default_rng(1).normal(size=(200, 4))
    latent[:, 0] += distance * pd.factorize(names)[0]
    expected = plain_ilisi(latent, names, mixing.ILISI_PERPLEXITY)
    assert ilisi(latent.astype(np.float32), names) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("n_cells", [200, mixing.ILISI_CELLS + 100])
def test_after_correction_it_is_that_of_the_corrected_cells_which_alone_are_computed(n_cells):
    batch = batches(n_cells, 2)
    codes = pd.factorize(batch)[0]
    x = np.random.default_rng(0).normal(size=(n_cells, 3)).astype(np.float32)
    apart = (x + 100 * codes[:, None]).astype(np.float32)
    asked = []

    def corrected_of(some: np.ndarray) -> np.ndarray:
        asked.append(len(some))
        return x[some]

    assert mixing.ilisi(corrected_of, codes) == mixing.ilisi_uncorrected(x, codes) > 1.5
    assert asked == [min(n_cells, mixing.ILISI_CELLS)]
    assert mixing.ilisi_uncorrected(apart, codes) == pytest.approx(1, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    n_cells=st.integers(1, 150),
    n_batches=st.integers(1, 5),
    distance=st.sampled_from([0.0, 0.5, 3.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_mixing_lies_between_one_and_the_number_of_batches(n_cells, n_batches, distance, seed):
    names = batches(n_cells, n_batches, seed)
    latent = np.random.default_rng(seed).normal(size=(n_cells, 3))
    latent[:, 0] += distance * pd.factorize(names)[0]
    found = ilisi(latent.astype(np.float32), names)
    assert 1 - 1e-6 <= found <= names.nunique() + 1e-6


@pytest.mark.parametrize("n_cells", [300, 6000])
def test_separate_batches_are_not_mixed_and_shuffled_ones_are(n_cells):
    """Also where only some of the cells are looked at."""
    latent = np.random.default_rng(0).normal(size=(n_cells, 4)).astype(np.float32)
    names = batches(n_cells, 3)
    assert ilisi(latent, names) > 2.5
    apart = latent + 100 * pd.factorize(names)[0][:, None]
    assert ilisi(apart.astype(np.float32), names) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n_batches", [2, 3, 4])
def test_cells_in_turns_are_mixed_as_well_as_shuffled_ones(n_batches):
    """Looking at every second cell must not be looking at one of two batches."""
    n_cells = n_batches * mixing.ILISI_CELLS
    latent = np.random.default_rng(0).normal(size=(n_cells, 3)).astype(np.float32)
    in_turns = pd.Series([f"batch {i % n_batches}" for i in range(n_cells)], dtype=object)
    shuffled = ilisi(latent, batches(n_cells, n_batches))
    assert shuffled > 0.8 * n_batches
    assert ilisi(latent, in_turns) == pytest.approx(shuffled, rel=0.02)


@pytest.mark.parametrize(("n_cells", "n_found"), [(5, 5), (10, 10), (11, 10), (500, 10)])
def test_some_of_the_cells_are_always_the_same(n_cells, n_found):
    """Otherwise a metric of the same cells would not be the same number."""
    some = sample(n_cells, 10)
    assert len(some) == len(set(some) & set(range(n_cells))) == n_found
    assert some.tolist() == sorted(some) == sample(n_cells, 10).tolist()


@pytest.mark.parametrize("n_cells", [1, 2, 4, 50])
def test_cells_at_the_same_place_give_a_number(n_cells):
    """Empty droplets, or expressions cut off at the same value."""
    found = ilisi(np.zeros((n_cells, 3), np.float32), batches(n_cells, 2))
    assert 1 <= found <= 2


def test_a_cell_far_from_all_others_has_no_less_than_its_own_batch():
    latent = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    latent[:10], latent[-1] = 0, 1e9
    assert ilisi(latent, pd.Series(["a"] * 100, dtype=object)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [object, "category"])
def test_a_single_batch_and_batches_without_a_cell_are_no_mixing(dtype):
    latent = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    names = pd.Series(["a"] * 80).astype(dtype)
    if dtype == "category":
        names = names.cat.add_categories(["b"])
    assert ilisi(latent, names) == pytest.approx(1)

"""The heuristic and its parts against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from scyan_exp.metrics import unsupervised
from scyan_exp.metrics.inputs import Inputs
from scyan_exp.metrics.measuring import measure

UNSUPERVISED = ("n_missing_populations", "davies_bouldin", "neg_log_dirichlet", "heuristic")
INFINITE = float("inf")


def unsupervised_metrics(codes: np.ndarray, x: np.ndarray, n_pops: int) -> dict[str, float]:
    return measure(Inputs(codes, x, x, np.zeros((n_pops, x.shape[1]))), UNSUPERVISED)


def blobs(n_cells: int = 300, n_pops: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Population codes and their expressions."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_cells) % n_pops)
    x = rng.normal(size=(n_pops, 5))[codes] + 0.4 * rng.normal(size=(n_cells, 5))
    return codes, x.astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(2, 20), min_size=2, max_size=5),
    n_missing=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_unsupervised_metrics_follow_their_definition(sizes, n_missing, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    x = np.random.default_rng(seed).normal(size=(len(codes), 3)).astype(np.float32)
    found = unsupervised_metrics(codes, x, len(sizes) + n_missing)
    assert list(found) == list(UNSUPERVISED)
    assert found["n_missing_populations"] == n_missing
    overlap = sklearn_metrics.davies_bouldin_score(x, codes)
    assert found["davies_bouldin"] == pytest.approx(overlap)
    evenness = -sum(np.log(size / sum(sizes)) for size in sizes)
    assert found["neg_log_dirichlet"] == pytest.approx(evenness)
    product = (n_missing + 1) * found["davies_bouldin"] * found["neg_log_dirichlet"]
    assert found["heuristic"] == product


def test_even_and_separate_populations_have_the_lower_heuristic():
    codes, x = blobs()
    good = unsupervised_metrics(codes, x, 4)["heuristic"]
    shuffled = np.random.default_rng(1).permutation(codes)
    assert unsupervised_metrics(shuffled, x, 4)["heuristic"] > good
    assert unsupervised_metrics(codes, x, 5)["heuristic"] == pytest.approx(2 * good)


@pytest.mark.parametrize("n_pops", [1, 4])
def test_a_single_population_is_the_worst_annotation(n_pops):
    _, x = blobs()
    found = unsupervised_metrics(np.zeros(len(x), int), x, n_pops)
    assert found["n_missing_populations"] == n_pops - 1
    assert found["davies_bouldin"] == found["heuristic"] == INFINITE
    assert found["neg_log_dirichlet"] == 0


def test_as_many_populations_as_cells_have_no_overlap_to_measure():
    found = unsupervised_metrics(np.arange(3), np.eye(3, dtype=np.float32), 3)
    assert found["n_missing_populations"] == 0
    assert found["davies_bouldin"] == INFINITE


def test_many_cells_are_thinned_for_the_overlap_alone(monkeypatch):
    codes, x = blobs(n_cells=1001)
    monkeypatch.setattr(unsupervised, "DAVIES_BOULDIN_CELLS", 400)
    found = unsupervised_metrics(codes, x, 4)
    exact = sklearn_metrics.davies_bouldin_score(x, codes)
    assert found["davies_bouldin"] == pytest.approx(exact, rel=0.1)
    assert found["davies_bouldin"] != pytest.approx(exact, rel=1e-9)
    shares = np.bincount(codes) / 1001
    assert found["neg_log_dirichlet"] == pytest.approx(-np.log(shares).sum())

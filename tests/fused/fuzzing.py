"""A program for the sanitizers: the compiled code at random shapes, or with too little memory."""

from __future__ import annotations

import sys

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.fused.compiling import library
from tests.fused.conftest import SMALL, Case, evaluate, make
from tests.fused.test_fused_module import shapes


@settings(deadline=None, max_examples=120, database=None)
@given(
    case=shapes,
    n_cells=st.integers(0, 300),
    n_threads=st.integers(1, 9),
    bad=st.sampled_from([1.0, 1e30, float("inf"), float("nan")]),
)
def any_shape(case: Case, n_cells: int, n_threads: int, bad: float) -> None:
    """What comes out is tested elsewhere; here the sanitizers watch what is read and written."""
    torch.set_num_threads(n_threads)
    computing, _, x, covariates = make(case, library())
    rows = torch.arange(n_cells) % len(x)
    evaluate(computing, bad * x[rows], covariates[rows], use_temp=n_cells % 2 == 0)


def too_little_memory() -> None:
    computing, _, x, covariates = make(SMALL, library())
    computing._gradients = torch.empty(1)
    evaluate(computing, x, covariates)


if __name__ == "__main__":
    assert library() is not None, "not compiled"
    {"any shape": any_shape, "too little memory": too_little_memory}[sys.argv[1]]()
    print("no fault")

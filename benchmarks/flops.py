"""Arithmetic that training cannot do without."""

from __future__ import annotations

from benchmarks.cases import Case

HIDDEN_SIZE, N_HIDDEN_LAYERS = 16, 6  # the defaults


def training_flops(case: Case) -> int:
    """Additions and multiplications of the matrix products of one cell, forward and backward.

    Kept inputs and transformed outputs only; the backward pass takes two products for each
    forward one, but for the first layer, whose inputs need no gradient. The prior takes two
    products forward and two backward.
    """
    forward = inputs_of_first = 0
    for layer in range(case.n_layers):
        transformed = len(range(layer % 3, case.n_markers, 3))
        first = (case.n_markers - transformed) * HIDDEN_SIZE
        hidden = N_HIDDEN_LAYERS * HIDDEN_SIZE**2
        forward += 2 * (first + hidden + HIDDEN_SIZE * transformed)  # the networks s and t
        if layer == 0:
            inputs_of_first = 2 * first
    prior = 4 * case.n_markers * case.n_pops
    return 2 * (3 * forward - inputs_of_first + prior)

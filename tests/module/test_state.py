"""What a module holds: what is written to every checkpoint, and what follows from its sizes."""

from __future__ import annotations

import math

import pytest
import torch

from scyan_exp.module import CouplingLayer, ScyanModule
from tests.module.conftest import Shape, make_module


def test_a_checkpoint_holds_what_cannot_be_computed_and_nothing_else():
    """Older checkpoints have these names; a name more or less and they cannot be loaded."""
    state = make_module(Shape(n_layers=2)).state_dict()
    prior = {f"prior.{name}" for name in ("rho", "known", "modes", "prior_std")}
    flow = {f"real_nvp.layers.{i}.phi" for i in range(2)}
    assert set(state) == {"pi_logit", "temperature", *prior, *flow}


def test_what_the_user_gave_keeps_its_digits():
    module = make_module(Shape(prior_std=0.17, temperature=0.7), dtype=torch.float32)
    assert module.hparams.hidden_size == Shape.hidden_size
    assert module.hparams.n_hidden_layers == Shape.n_hidden_layers
    assert module.hparams.temperature == 0.7
    module = CouplingLayer(3, 4, 3, 0, torch.tensor([0, 1, 1]))
    assert module.mask.tolist() == [0, 1, 1]


def test_the_temperature_keeps_its_digits_in_float32():
    rho, nowhere = torch.ones(2, 3), torch.zeros(3, dtype=torch.bool)
    module = ScyanModule(rho, 0, nowhere, 4, 1, 2, prior_std=0.17, temperature=0.7)
    assert (module.temperature.item(), module.prior.prior_std.item()) == (0.7, 0.17)


@pytest.mark.parametrize("n_hidden_layers", [0, 1, 3])
def test_initial_weights_are_those_of_linear_layers(n_hidden_layers):
    """Uniform up to one over the root of the inputs; of all markers and covariates at first."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(40) % 3 > 0
    layer = CouplingLayer(50, 30, 40, n_hidden_layers, mask, generator=generator)
    for i, (weight, bias) in enumerate(layer.linears(layer.phi)):
        bound = 1 / math.sqrt(30 if i else 50)
        for values in (weight, bias):
            assert values.abs().max() <= bound
            assert values.abs().max() > 0.8 * bound
        assert weight.mean().abs() < 0.1 * bound

"""Cells and weights that are not finite, or huge: as the plain module takes them."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from tests.fused.conftest import SMALL, Case, assert_parity, evaluate, make
from tests.module.conftest import NAN


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("cell", [0, 63, 64, 129])
def test_a_bad_cell_gives_a_loss_that_is_not_finite(bad, cell, code):
    computing, _, x, covariates = make(SMALL, code)
    for marker in range(SMALL.n_markers):
        spoilt = x.clone()
        spoilt[cell, marker] = bad
        assert not computing.loss_terms(spoilt, covariates, use_temp=False)[0].isfinite()
        log_probs, _, _ = computing.compute_probabilities(spoilt, covariates)
        assert not log_probs[cell].isfinite().any()
        others = torch.arange(len(x)) != cell
        assert log_probs[others].isfinite().all()


def test_a_bad_covariate_gives_a_loss_that_is_not_finite(code):
    computing, _, x, covariates = make(SMALL, code)
    covariates[100, 1] = NAN
    assert not computing.loss_terms(x, covariates, use_temp=False)[0].isfinite()


@pytest.mark.parametrize("use_temp", [False, True])
def test_a_bad_weight_gives_a_loss_that_is_not_finite(use_temp, code):
    """Each number of the model in turn."""
    case = dataclasses.replace(SMALL, n_cells=3)
    computing, module, x, covariates = make(case, code)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            for i in range(len(parameter)):
                before = parameter[i].item()
                parameter[i] = NAN
                loss, _ = computing.loss_terms(x, covariates, use_temp)
                assert not loss.isfinite(), f"{name}[{i}]"
                parameter[i] = before


@pytest.mark.parametrize("unknown", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("value", [1e3, -1e4, 1e6, -1e10, 1e15, -1e18, 1e20, -1e30])
def test_huge_expressions_are_finite_where_they_are_in_the_plain_module(value, unknown, code):
    """One cell, and all of them."""
    computing, module, x, covariates = make(Case(unknown=unknown), code)
    single = x.clone()
    single[70, 5] = value
    for cells in (single, value * x):
        ours, theirs = evaluate(computing, cells, covariates), evaluate(module, cells, covariates)
        assert ours.loss.isfinite() == theirs.loss.isfinite()
        torch.testing.assert_close(ours.u, theirs.u, rtol=1e-4, atol=1e-4 * abs(value))
        torch.testing.assert_close(ours.ldj, theirs.ldj, rtol=1e-4, atol=1e-4)
        if theirs.loss.isfinite():
            torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-5, atol=0)
            assert all(tensor.isfinite().all() for tensor in ours.tensors().values())


@pytest.mark.parametrize("scale", [0.0, 1e-30, 3.0])
def test_weights_of_any_size(scale, code):
    """Networks that are 0, and those whose tanh is at its ends."""
    computing, module, x, covariates = make(Case(n_layers=3, n_hidden_layers=1), code)
    with torch.no_grad():
        for layer in module.real_nvp.layers:
            layer.phi.mul_(scale)
    assert_parity(computing, x, covariates)


@pytest.mark.parametrize("scale", [10.0, 100.0, 1e3, 1e6, 1e12])
def test_huge_weights_are_finite_where_they_are_in_the_plain_module(scale, code):
    """Gradients are left out: those of the plain module in float32 are beside the truth."""
    computing, module, x, covariates = make(Case(n_layers=3, n_hidden_layers=1), code)
    with torch.no_grad():
        for layer in module.real_nvp.layers:
            layer.phi.mul_(scale)
    ours, theirs = evaluate(computing, x, covariates), evaluate(module, x, covariates)
    assert ours.loss.isfinite() == theirs.loss.isfinite()
    if theirs.loss.isfinite():
        torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-5, atol=0)
        assert all(tensor.isfinite().all() for tensor in ours.tensors().values())


def test_scales_at_the_end_of_the_tanh_do_not_learn(code):
    """Else huge expressions have huge gradients, where those of the plain module are 0."""
    computing, module, x, covariates = make(SMALL, code)
    with torch.no_grad():
        for layer in module.real_nvp.layers:
            weight, bias = layer.linears(layer.phi)[-1]
            weight[0] = 0.0
            bias[0] = torch.where(torch.arange(bias.shape[2]) % 2 == 0, 30.0, -30.0)
    gradients = evaluate(computing, x, covariates).gradients
    for i, layer in enumerate(module.real_nvp.layers):
        for weight, bias in layer.linears(gradients[f"real_nvp.layers.{i}.phi"]):
            assert not weight[0].any()
            assert not bias[0].any()
            assert bias[1].any()
    assert_parity(computing, x, covariates)


def test_weights_of_populations_that_are_far_apart(code):
    computing, module, x, covariates = make(SMALL, code)
    with torch.no_grad():
        module.pi_logit.copy_(torch.tensor([0.0, 1.0, -1.0, 2.0, -5.0]))
    for use_temp in (False, True):
        assert_parity(computing, x, covariates, use_temp)


def test_no_cells(code):
    case = dataclasses.replace(SMALL, n_cells=0)
    computing, module, x, covariates = make(case, code)
    assert computing.loss_terms(x, covariates, use_temp=False)[0].isnan()
    ours = computing.compute_probabilities(x, covariates)
    theirs = module.compute_probabilities(x, covariates)
    assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]

"""Our module computes what the reference computes, to 1e-8 relative in float64."""

from __future__ import annotations

import pytest
import torch

from tests.module.conftest import SHAPES, Shape, make_pair

CLOSE = {"rtol": 1e-8, "atol": 1e-10}


def assert_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, **CLOSE)


def test_latent_and_log_determinant(pair):
    u, covariates, ldj = pair.ours(pair.x, pair.covariates)
    u_reference, _, ldj_reference = pair.theirs(pair.x, pair.covariates)
    assert_close(u, u_reference)
    assert_close(ldj, ldj_reference)
    assert covariates is pair.covariates


def test_inverse(pair):
    u = torch.randn_like(pair.x)
    assert_close(pair.ours.inverse(u, pair.covariates), pair.theirs.inverse(u, pair.covariates))


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_prior(pair, scale):
    u = scale * torch.randn_like(pair.x)
    ours, theirs = pair.ours.prior, pair.theirs.prior
    assert_close(ours.log_prob(u), theirs.log_prob(u))
    assert_close(ours.log_prob_per_marker(u), theirs.log_prob_per_marker(u))
    assert_close(ours.difference_to_modes(u), theirs.difference_to_modes(u))


def test_prior_after_warm_up(pair):
    u = torch.randn_like(pair.x)
    pair.ours.prior.prior_std.fill_(0.21)
    pair.theirs.prior.prior_std = 0.21
    assert_close(pair.ours.prior.log_prob(u), pair.theirs.prior.log_prob(u))


def test_prior_after_blank_entries_are_filled(pair):
    """Also between -1 and 1, or beyond. The reference divides those of continuum markers by 5."""
    means = 1.2 * torch.randn_like(pair.ours.prior.rho)
    n_blank = int((1 - pair.ours.prior.known).sum())
    of_theirs = torch.where(torch.arange(len(means[0])) < pair.shape.n_continuum, 5 * means, means)
    pair.theirs.prior.fill_rho(of_theirs)
    assert pair.ours.prior.fill(means) == n_blank
    assert pair.ours.prior.known.all()
    u = torch.randn_like(pair.x)
    assert_close(pair.ours.prior.log_prob(u), pair.theirs.prior.log_prob(u))
    assert pair.ours.prior.fill(means) == 0


def test_entries_without_a_mean_stay_blank(pair):
    before = pair.ours.prior.known.clone()
    u = torch.randn_like(pair.x)
    log_prob = pair.ours.prior.log_prob(u)
    assert pair.ours.prior.fill(torch.full_like(pair.ours.prior.rho, float("nan"))) == 0
    assert torch.equal(pair.ours.prior.known, before)
    assert_close(pair.ours.prior.log_prob(u), log_prob)
    with pytest.raises(ValueError, match=r"means: expected shape \(\d+, \d+\), got \(1, 2\)"):
        pair.ours.prior.fill(torch.zeros(1, 2))


def test_weights_of_populations(pair):
    assert_close(pair.ours.log_pi, pair.theirs.log_pi)
    assert_close(pair.ours.pi, pair.theirs.pi)
    for temperature in (0.5, -0.5, -2.0):
        ours = pair.ours.log_pi_temperature(temperature)
        assert_close(ours, pair.theirs.log_pi_temperature(temperature))
        assert not ours.requires_grad
    assert_close(pair.ours.prior_z.probs, pair.theirs.prior_z.probs)


@pytest.mark.parametrize("use_temp", [False, True])
def test_loss_and_gradients(pair, use_temp):
    ours = pair.ours.kl(pair.x, pair.covariates, use_temp)
    theirs = pair.theirs.kl(pair.x, pair.covariates, use_temp)
    assert_close(ours, theirs)
    ours.backward()
    theirs.backward()
    _assert_same_gradients(pair)


@pytest.mark.parametrize("use_temp", [False, True])
def test_compute_probabilities(pair, use_temp):
    ours = pair.ours.compute_probabilities(pair.x, pair.covariates, use_temp)
    theirs = pair.theirs.compute_probabilities(pair.x, pair.covariates, use_temp)
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b)


def _assert_same_gradients(pair):
    """Every gradient of ours is in the reference; what ours leaves out is zero there."""
    if pair.theirs.pi_logit.grad is None:
        assert pair.ours.pi_logit.grad is None
    else:
        assert_close(pair.ours.pi_logit.grad, pair.theirs.pi_logit.grad)
    order = pair.ours.real_nvp.order
    for layer, reference in zip(
        pair.ours.real_nvp.layers, pair.theirs.real_nvp.module_list, strict=True
    ):
        extra = torch.arange(len(order), reference.sfun[0].in_features)
        inputs, outputs = torch.cat([order[layer.kept], extra]), order[layer.transformed]
        for net, mlp in enumerate([reference.sfun, reference.tfun]):
            linear = [m for m in mlp if isinstance(m, torch.nn.Linear)]
            for k, m in enumerate(linear):
                weight, bias = m.weight.grad.clone(), m.bias.grad.clone()
                rows = outputs if k == len(linear) - 1 else torch.arange(len(bias))
                columns = inputs if k == 0 else torch.arange(weight.shape[1])
                weight_grad, bias_grad = layer.linears(layer.phi.grad)[k]
                assert_close(weight_grad[net].T, weight[rows][:, columns])
                assert_close(bias_grad[net, 0], bias[rows])
                weight[rows[:, None], columns] = 0
                bias[rows] = 0
                assert not weight.any()
                assert not bias.any()


@pytest.mark.parametrize("name", ["covariates", "all"])
def test_three_epochs_end_at_the_same_weights(name):
    """Same batches, Adam and temperature epochs, in float32 as users train."""
    pair = make_pair(SHAPES[name], n_cells=1024)
    optimizers = [torch.optim.Adam(m.parameters(), lr=1e-3) for m in (pair.ours, pair.theirs)]
    losses = []
    for epoch in range(3):
        order = torch.randperm(1024, generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(128):
            for module, optimizer in zip((pair.ours, pair.theirs), optimizers, strict=True):
                optimizer.zero_grad()
                loss = module.kl(pair.x[batch], pair.covariates[batch], epoch % 3 > 0)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    assert losses[-1] < losses[0]
    _assert_same_weights(pair, tolerance=1e-5)


def _assert_same_weights(pair, tolerance):
    from scyan_exp.module.reference import copy_reference_weights

    trained = {name: value.clone() for name, value in pair.ours.named_parameters()}
    state = {f"module.{key}": value for key, value in pair.theirs.state_dict().items()}
    copy_reference_weights(state, pair.ours)
    for name, value in pair.ours.named_parameters():
        torch.testing.assert_close(trained[name], value, rtol=0, atol=tolerance, msg=name)


def test_the_callers_table_is_not_changed(float64):
    shape = Shape(unknown=0.5)
    rho = torch.full((shape.n_pops, shape.n_markers), float("nan"))
    rho[:, 0] = 1
    before = rho.clone()
    from scyan_exp.module import PriorDistribution

    prior = PriorDistribution(rho, torch.zeros(shape.n_markers, dtype=bool), 0.3, shape.n_markers)
    prior.rho.zero_()
    torch.testing.assert_close(rho, before, equal_nan=True)

"""Laws that the flow, the prior and the sampler obey, whatever their sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, stack_module_state, vmap

from scyan_exp.module import CouplingLayer, PriorDistribution, RealNVP, ScyanModule
from tests.module.conftest import NAN, SHAPES, Shape, make_cells, make_module

shapes = st.builds(
    Shape,
    n_pops=st.integers(1, 6),
    n_markers=st.integers(1, 9),
    n_covariates=st.integers(0, 3),
    hidden_size=st.integers(1, 8),
    n_hidden_layers=st.integers(0, 3),
    n_layers=st.integers(1, 6),
    prior_std=st.floats(0.05, 0.95),
    temperature=st.floats(0.1, 10),
    unknown=st.floats(0, 1),
)


@settings(deadline=None, max_examples=30)
@given(shape=shapes)
def test_inverse_undoes_forward(shape):
    module, (x, covariates) = make_module(shape), make_cells(shape)
    u, _, _ = module(x, covariates)
    torch.testing.assert_close(module.inverse(u, covariates), x, rtol=1e-8, atol=1e-8)


@settings(deadline=None, max_examples=20)
@given(shape=shapes)
def test_log_determinant_is_that_of_the_jacobian(shape):
    module, (x, covariates) = make_module(shape), make_cells(shape, 2)
    _, _, ldj = module(x, covariates)
    for i in range(len(x)):
        jacobian = torch.autograd.functional.jacobian(
            lambda row, i=i: module(row[None], covariates[i : i + 1])[0][0], x[i]
        )
        torch.testing.assert_close(ldj[i], torch.linalg.slogdet(jacobian).logabsdet)


@settings(deadline=None, max_examples=20)
@given(shape=shapes)
def test_log_prob_is_the_sum_over_markers(shape):
    prior, (u, _) = make_module(shape).prior, make_cells(shape)
    torch.testing.assert_close(
        prior.log_prob(u), prior.log_prob_per_marker(u).sum(dim=2), rtol=1e-10, atol=1e-9
    )


@pytest.mark.parametrize("prior_std", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("rho", [-1.0, 1.0, 0.4, NAN])
@pytest.mark.parametrize("continuum", [False, True])
def test_each_density_integrates_to_one(prior_std, rho, continuum):
    prior = PriorDistribution(
        torch.tensor([[rho]], dtype=torch.float64), torch.tensor([continuum]), prior_std, 1
    )
    u = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = prior.log_prob(u[:, None]).exp()[:, 0]
    assert torch.trapezoid(density, u).item() == pytest.approx(1, abs=1e-6)


def test_samples_follow_the_density():
    """Known, unknown and continuum markers: empirical against exact distribution functions."""
    rho = torch.tensor([[1.0, NAN, -1.0]], dtype=torch.float64)
    prior = PriorDistribution(rho, torch.tensor([False, False, True]), 0.3, 3)
    generator = torch.Generator().manual_seed(0)
    n = 200_000
    samples = prior.sample(torch.zeros(n, dtype=torch.long), generator=generator)
    grid = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    density = prior.log_prob_per_marker(grid[:, None].expand(-1, 3)).exp()[:, 0]
    cdf = torch.cumulative_trapezoid(density, grid, dim=0)
    for marker in range(3):
        empirical = torch.searchsorted(samples[:, marker].sort().values, grid[1:]) / n
        distance = (empirical - cdf[:, marker]).abs().max().item()
        assert distance < 1.63 / n**0.5  # Kolmogorov-Smirnov at 1%


def test_sample_forms():
    shape = Shape(n_covariates=1)
    module = make_module(shape)
    covariates = torch.zeros(7, 1, dtype=torch.float64)
    assert module.sample(7, covariates).shape == (7, shape.n_markers)
    x, z = module.sample(7, covariates, z=2, return_z=True)
    assert x.shape == (7, shape.n_markers)
    assert z.tolist() == [2] * 7
    given = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    _, z = module.sample(7, covariates, z=given, return_z=True)
    assert z.tolist() == given.tolist()


def test_given_populations_may_be_any_whole_numbers():
    z = torch.tensor([0, 1, 2], dtype=torch.int32)
    _, kept = make_module(Shape()).sample(3, torch.zeros(3, 0).double(), z=z, return_z=True)
    assert kept.dtype == torch.int64
    assert kept.tolist() == [0, 1, 2]


def test_samples_come_from_the_given_generator():
    module, covariates = make_module(Shape()), torch.zeros(50, 0, dtype=torch.float64)
    first, second = (
        module.sample(50, covariates, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_drawn_populations_follow_pi():
    module = make_module(Shape(n_pops=3))
    with torch.no_grad():
        module.pi_logit.copy_(torch.tensor([0.5, 0.3, 0.2]).log() / module.pi_logit_ratio)
    covariates = torch.zeros(100_000, 0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    _, z = module.sample(100_000, covariates, return_z=True, generator=generator)
    shares = torch.bincount(z) / len(z)
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.zeros(3), r"z: expected shape \(7,\), got \(3,\)"),
        ("B cells", "z: expected None, an int or a Tensor, got str"),
    ],
)
def test_sample_refuses_wrong_populations(z, message):
    with pytest.raises(ValueError, match=message):
        make_module(Shape()).sample(7, torch.zeros(7, 0), z=z)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: CouplingLayer(4, 8, 3, 1, torch.ones(5)),
            r"mask: expected shape \(3,\), got \(5,\)",
        ),
        (
            lambda: PriorDistribution(torch.zeros(2, 3), torch.zeros(3, dtype=bool), 0.3, 4),
            r"rho: expected shape \(P, 4\), got \(2, 3\)",
        ),
        (
            lambda: PriorDistribution(torch.zeros(2, 3), torch.zeros(2, dtype=bool), 0.3, 3),
            r"is_continuum_marker: expected shape \(3,\), got \(2,\)",
        ),
    ],
)
def test_wrong_shapes_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_any_mask_gives_an_invertible_layer():
    layer = CouplingLayer(7, 8, 5, 1, torch.tensor([1, 0, 1, 1, 0])).double()
    x, covariates = torch.randn(9, 5).double(), torch.randn(9, 2).double()
    y, _, ldj = layer((x, covariates, torch.ones(9, dtype=torch.float64)))
    torch.testing.assert_close(y[:, [0, 2, 3]], x[:, [0, 2, 3]])
    torch.testing.assert_close(layer.inverse(y, covariates), x)
    _, _, ldj_alone = layer((x, covariates, None))
    torch.testing.assert_close(ldj, ldj_alone + 1)


def test_flow_is_its_layers_one_after_the_other():
    """The sorted-group path of RealNVP equals applying each coupling layer by its mask."""
    flow = RealNVP(9, 8, 7, 2, 5).double()
    x, covariates = torch.randn(6, 7).double(), torch.randn(6, 2).double()
    y, ldj = x[:, flow.order], None
    for layer in flow.layers:
        y, _, ldj = layer((y, covariates, ldj))
    u, _, ldj_flow = flow(x, covariates)
    torch.testing.assert_close(u, y[:, flow.unorder])
    torch.testing.assert_close(ldj_flow, ldj)


def test_each_layer_keeps_two_markers_in_three():
    flow = RealNVP(8, 4, 8, 1, 5)
    for i, layer in enumerate(flow.layers):
        kept = sorted(flow.order[layer.kept].tolist())
        assert kept == [j for j in range(8) if (j - i) % 3 > 0]


def test_every_parameter_learns():
    shape = Shape(n_covariates=2)
    module, (x, covariates) = make_module(shape), make_cells(shape, 64)
    module.kl(x, covariates, use_temp=False).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    for layer in module.real_nvp.layers:
        for weight, bias in layer.linears(layer.phi.grad):
            assert weight.any()
            assert bias.any()


def test_weights_do_not_learn_at_a_temperature():
    shape = Shape()
    module, (x, covariates) = make_module(shape), make_cells(shape)
    module.kl(x, covariates, use_temp=True).backward()
    assert module.pi_logit.grad is None


def test_initial_weights_come_from_the_given_generator():
    first, second = make_module(Shape(), seed=3), make_module(Shape(), seed=3)
    other = make_module(Shape(), seed=4)
    name = "real_nvp.layers.0.phi"
    assert torch.equal(first.get_parameter(name), second.get_parameter(name))
    assert not torch.equal(first.get_parameter(name), other.get_parameter(name))


def test_float32_cells_give_a_float32_loss():
    module = make_module(Shape()).float()
    x = torch.randn(4, 8)
    assert module.kl(x, torch.zeros(4, 0), use_temp=False).dtype == torch.float32


def test_probabilities_are_those_without_a_temperature_unless_asked_for():
    shape = Shape(pi_spread=0.1)
    module, cells = make_module(shape), make_cells(shape)
    default, without, warm = (
        module.compute_probabilities(*cells, *use_temp)[0] for use_temp in ((), (False,), (True,))
    )
    assert torch.equal(default, without)
    assert not torch.equal(default, warm)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_constants_of_the_prior_have_the_dtype_that_is_asked_for(dtype):
    prior = make_module(Shape()).prior
    assert prior.half_precision(dtype).dtype == dtype
    assert prior.half_precision(dtype).item() == pytest.approx(0.5 / 0.3**2)


def test_state_dict_restores_everything():
    module, other = make_module(Shape(), seed=0), make_module(Shape(prior_std=0.6), seed=1)
    other.load_state_dict(module.state_dict())
    x, covariates = make_cells(Shape())
    assert torch.equal(module.kl(x, covariates, True), other.kl(x, covariates, True))


@pytest.mark.parametrize("use_temp", [False, True])
def test_stacked_modules_equal_the_loop(use_temp):
    """Five modules of different prior_std and temperature under vmap: losses and gradients."""
    stds, temperatures = [0.2, 0.25, 0.3, 0.35, 0.4], [0.25, 0.5, 1.0, 2.0, 4.0]
    modules = [
        make_module(Shape(n_covariates=2, prior_std=std, temperature=temperature), seed)
        for seed, (std, temperature) in enumerate(zip(stds, temperatures, strict=True))
    ]
    with torch.no_grad():
        for module in modules:
            module.pi_logit.normal_(0, 0.02)
    x, covariates = make_cells(Shape(n_covariates=2))
    parameters, buffers = stack_module_state(modules)
    flags = torch.full((5,), use_temp)

    def loss(parameters, buffers, flag):
        module = _Loss(modules[0])
        state = {f"module.{k}": v for k, v in {**parameters, **buffers}.items()}
        return functional_call(module, state, (x, covariates, flag))

    losses = vmap(loss)(parameters, buffers, flags)
    gradients = vmap(grad(loss))(parameters, buffers, flags)
    for i, module in enumerate(modules):
        expected = module.kl(x, covariates, use_temp)
        torch.testing.assert_close(losses[i], expected, rtol=1e-10, atol=1e-10)
        expected.backward()
        for name, parameter in module.named_parameters():
            ours = gradients[name][i]
            theirs = torch.zeros_like(ours) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10, msg=name)


class _Loss(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, covariates, use_temp):
        return self.module.kl(x, covariates, use_temp)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_flow_that_starts_as_the_identity_changes_nothing_and_learns(shape):
    rho = torch.full((shape.n_pops, shape.n_markers), 1.0)
    sizes = (shape.hidden_size, shape.n_hidden_layers, shape.n_layers)
    generator = torch.Generator().manual_seed(0)
    module = ScyanModule(
        rho,
        shape.n_covariates,
        torch.zeros(shape.n_markers, dtype=torch.bool),
        *(*sizes, 0.3, 0.5),
        starts_as_identity=True,
        generator=generator,
    )
    x, covariates = torch.randn(20, shape.n_markers), torch.ones(20, shape.n_covariates)
    u, _, ldj = module(x, covariates)
    torch.testing.assert_close(u, x, rtol=0, atol=1e-6)
    assert ldj.abs().max() == 0
    module.kl(x, covariates, use_temp=False).backward()
    for layer in module.real_nvp.layers:
        last_weight, last_bias = layer.linears(layer.phi.grad)[-1]
        if len(layer.transformed) > 0:
            assert last_bias.abs().max() > 0
            assert last_weight.abs().max() > 0

"""The compiled module gives what the plain one gives, whatever the shapes and the cells."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.fused import FusedModule
from scyan_exp.module import ScyanModule
from tests.fused.conftest import (
    NAN,
    SMALL,
    Case,
    assert_close,
    assert_parity,
    assert_same,
    evaluate,
    make,
    make_cells,
    make_module,
)
from tests.training.conftest import fit, make_model

CASES = {
    "default": Case(),
    "all known": Case(unknown=0.0),
    "nothing known": Case(unknown=1.0),
    "a population of which nothing is known": Case(has_unknown_row=True),
    "covariates": Case(n_covariates=3),
    "many covariates": Case(n_covariates=19),
    "continuum": Case(n_continuum=4),
    "narrow prior": Case(prior_std=0.05, temperature=4.0),
    "wide prior": Case(prior_std=0.95, temperature=0.1),
    "one layer": Case(n_layers=1),
    "ten layers": Case(n_layers=10),
    "no hidden-to-hidden layer": Case(n_hidden_layers=0),
    "one marker": Case(n_markers=1),
    "one marker and covariates": Case(n_markers=1, n_covariates=2),
    "least of everything": Case(1, 1, 0, hidden_size=1, n_hidden_layers=0, n_layers=1, n_cells=1),
    "everything": Case(
        n_pops=33, n_markers=23, n_covariates=4, n_continuum=5, hidden_size=24, n_cells=200
    ),
    **{f"{n} markers": Case(n_markers=n) for n in (2, 3, 15, 16, 17, 40)},
    **{f"hidden size {n}": Case(hidden_size=n) for n in (1, 5, 17, 20, 32, 40)},
    **{f"{n} populations": Case(n_pops=n) for n in (1, 5, 16, 17, 100)},
    **{f"{n} cells": Case(n_cells=n) for n in (1, 2, 63, 64, 65, 1000, 24 * 64 + 1)},
}

shapes = st.builds(
    Case,
    n_pops=st.integers(1, 20),
    n_markers=st.integers(1, 20),
    n_covariates=st.integers(0, 4),
    n_continuum=st.integers(0, 2),
    hidden_size=st.integers(1, 20),
    n_hidden_layers=st.integers(0, 3),
    n_layers=st.integers(1, 5),
    prior_std=st.floats(0.1, 0.9),
    temperature=st.floats(0.2, 5),
    unknown=st.floats(0, 1),
    n_cells=st.integers(1, 70),
)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_equals_the_plain_module(case, code):
    computing, _, x, covariates = make(case, code)
    assert_parity(computing, x, covariates)


# Always the same examples: one in a thousand has a ReLU so close to 0 that rounding decides.
@settings(deadline=None, max_examples=40, derandomize=True)
@given(case=shapes, use_temp=st.booleans())
def test_equals_the_plain_module_at_any_shape(code, case, use_temp):
    computing, _, x, covariates = make(case, code)
    assert_parity(computing, x, covariates, use_temp)


@pytest.mark.parametrize("use_temp", [True, False, torch.tensor(True), torch.tensor(False)])
def test_temperature(use_temp, code):
    computing, _, x, covariates = make(Case(n_covariates=1, temperature=0.3), code)
    assert_parity(computing, x, covariates, use_temp)


def test_weights_do_not_learn_at_a_temperature(code):
    computing, module, x, covariates = make(SMALL, code)
    computing.loss_terms(x, covariates, use_temp=True)[0].backward()
    assert module.pi_logit.grad is None
    assert all(layer.phi.grad.any() for layer in module.real_nvp.layers)


def test_transform_and_probabilities_have_no_gradient(code):
    computing, module, x, covariates = make(SMALL, code)
    u, ldj = computing.transform(x, covariates)
    expected_u, _, expected_ldj = module(x, covariates)
    torch.testing.assert_close(u, expected_u.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ldj, expected_ldj.detach(), rtol=1e-5, atol=1e-5)
    tensors = (u, ldj, *computing.compute_probabilities(x, covariates))
    assert not any(tensor.requires_grad for tensor in tensors)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("n_cells", [1, 64, 1000, 5000])
def test_any_number_of_threads_gives_the_same_bits(n_cells, code):
    computing, _, x, covariates = make(Case(n_covariates=2, n_cells=n_cells), code)
    results = []
    for n_threads in (1, 2, 3, 4, 1):
        torch.set_num_threads(n_threads)
        results.append(evaluate(computing, x, covariates))
    for result in results[1:]:
        assert_same(result, results[0])


def test_gradients_scale_with_that_of_the_outer_function(code):
    computing, module, x, covariates = make(SMALL, code)
    expected = evaluate(computing, x, covariates).gradients
    loss, _ = computing.loss_terms(x, covariates, use_temp=False)
    (3 * loss).backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, 3 * expected[name], msg=name)


def test_gradients_of_several_steps_add_up(code):
    """Losses computed one after the other do not share what their gradients are made of."""
    computing, module, x, covariates = make(SMALL, code)
    batches = [(x, covariates), (x[:50] + 1, covariates[:50])]
    expected = [evaluate(computing, *batch).gradients for batch in batches]
    first, second = [computing.loss_terms(*batch, use_temp=False)[0] for batch in batches]
    first.backward(retain_graph=True)
    second.backward()
    first.backward()
    for name, parameter in module.named_parameters():
        total = 2 * expected[0][name] + expected[1][name]
        torch.testing.assert_close(parameter.grad, total, msg=name)


def test_there_is_no_gradient_where_none_is_asked_for(code):
    computing, _, x, covariates = make(SMALL, code)
    loss, ldj = computing.loss_terms(x, covariates, use_temp=False)
    assert loss.requires_grad
    assert not ldj.requires_grad
    with torch.no_grad():
        assert not computing.loss_terms(x, covariates, use_temp=False)[0].requires_grad


# Cells and weights that are not finite, or huge


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


# What is read at each call, and what is left alone


def change_by_optimiser(module: ScyanModule) -> None:
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.Adam(module.parameters(), lr=0.05, fused=True).step()


def change_by_state_dict(module: ScyanModule) -> None:
    other = copy.deepcopy(module)
    change_by_optimiser(other)
    module.load_state_dict(other.state_dict())


def replace_by_state_dict(module: ScyanModule) -> None:
    other = copy.deepcopy(module)
    change_by_optimiser(other)
    module.load_state_dict(other.state_dict(), assign=True)


def change_the_table_too(module: ScyanModule) -> None:
    module.load_state_dict(make_module(SMALL, seed=5).state_dict())


def change_prior_std(module: ScyanModule) -> None:
    module.prior.prior_std.fill_(0.41)


def change_temperature(module: ScyanModule) -> None:
    module.temperature.fill_(3.0)


def go_to_float64_and_back(module: ScyanModule) -> None:
    module.double()
    change_by_optimiser(module)
    module.float()


@pytest.mark.parametrize(
    "change",
    [
        change_by_optimiser,
        change_by_state_dict,
        replace_by_state_dict,
        change_the_table_too,
        change_prior_std,
        change_temperature,
        go_to_float64_and_back,
    ],
)
def test_changes_of_the_module_are_seen_by_the_next_call(change, code):
    computing, module, x, covariates = make(SMALL, code)
    before = evaluate(computing, x, covariates, use_temp=True)
    change(module)
    after = evaluate(computing, x, covariates, use_temp=True)
    assert not torch.equal(before.loss, after.loss)
    assert_close(after, evaluate(module, x, covariates, use_temp=True))


def test_nothing_that_is_given_is_changed(code):
    computing, module, x, covariates = make(SMALL, code)
    given_x, given_covariates = x.clone(), covariates.clone()
    state = copy.deepcopy(module.state_dict())
    evaluate(computing, x, covariates)
    evaluate(computing, x, covariates, use_temp=True)
    assert torch.equal(x, given_x)
    assert torch.equal(covariates, given_covariates)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0, equal_nan=True, msg=name)


def test_results_are_not_changed_by_later_calls(code):
    computing, _, x, covariates = make(SMALL, code)
    first = evaluate(computing, x, covariates)
    kept = copy.deepcopy(first)
    evaluate(computing, 2 * x + 1, covariates)
    assert_same(first, kept)


def test_cells_may_lie_in_any_order_in_memory(code):
    computing, _, x, covariates = make(SMALL, code)
    expected = evaluate(computing, x, covariates)
    by_columns = x.T.contiguous().T
    within_others = torch.stack([x, torch.full_like(x, NAN)], dim=1)[:, 0]
    wider = torch.cat([x, torch.full_like(x, NAN)], dim=1)[:, : x.shape[1]]
    for other in (by_columns, within_others, wider):
        assert not other.is_contiguous()
        assert_same(evaluate(computing, other, covariates.T.contiguous().T), expected)
    one_row = covariates[:1].expand(len(x), -1)
    assert_same(
        evaluate(computing, x, one_row), evaluate(computing, x, one_row.clone().contiguous())
    )


def test_what_was_computed_without_gradient_does_not_hinder_training(code):
    """Validation and prediction run in inference mode, training after them does not."""
    computing, _, x, covariates = make(SMALL, code)
    with torch.inference_mode():
        loss, _ = computing.loss_terms(x, covariates, use_temp=False)
        computing.compute_probabilities(x, covariates)
    assert torch.equal(evaluate(computing, x, covariates).loss, loss)


@pytest.mark.parametrize("before", [True, False])
def test_the_default_dtype_does_not_matter(before, code):
    """Whether it is changed before the compiled module is made or after."""
    module, (x, covariates) = make_module(SMALL), make_cells(SMALL)
    computing = FusedModule(module, code)
    expected = evaluate(computing, x, covariates)
    torch.set_default_dtype(torch.float64)
    try:
        if before:
            computing = FusedModule(module, code)
        result = evaluate(computing, x, covariates)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_same(result, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda x, covariates: (x.double(), covariates),
        lambda x, covariates: (torch.cat([x, x], dim=1), covariates),
        lambda x, covariates: (x, torch.cat([covariates, covariates], dim=1)),
        lambda x, covariates: (x, torch.cat([covariates, covariates])),
    ],
    ids=["float64", "markers", "covariates", "more covariates"],
)
@pytest.mark.parametrize("function", ["loss_terms", "compute_probabilities"])
def test_other_cells_than_the_module_expects_are_refused(function, change, code):
    """C would read beside them, or read other numbers than they are."""
    computing, _, x, covariates = make(SMALL, code)
    with pytest.raises(ValueError, match=r"expected float32 expressions of shape \(\d+, \d+\)"):
        getattr(computing, function)(*change(x, covariates), False)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64])
def test_covariates_may_be_other_numbers(dtype, code):
    computing, module, x, covariates = make(SMALL, code)
    covariates = covariates.to(dtype).float()
    expected = evaluate(computing, x, covariates)
    covariates = covariates.to(dtype)
    assert_same(evaluate(computing, x, covariates), expected)
    if dtype == torch.float64:  # the plain module takes these no more than cells in float64
        return
    assert_close(evaluate(computing, x, covariates), evaluate(module, x, covariates))


# Copies, and where the compiled code does not apply


def test_a_copy_computes_with_its_own_parameters(code):
    computing, module, x, covariates = make(SMALL, code)
    expected = evaluate(computing, x, covariates)
    twin = copy.deepcopy(computing)
    assert twin.module is not module
    assert_same(evaluate(twin, x, covariates), expected)
    change_by_optimiser(twin.module)
    assert_same(evaluate(computing, x, covariates), expected)
    after = evaluate(twin, x, covariates)
    assert not torch.equal(after.loss, expected.loss)
    assert_close(after, evaluate(twin.module, x, covariates))


@pytest.mark.usefixtures("code")
def test_a_copy_of_a_model_computes_with_its_own_parameters(cells):
    model = make_model(cells)
    batch = (cells.x, cells.covariates)
    expected = evaluate(model.computing, *batch)
    twin = copy.deepcopy(model)
    assert isinstance(twin.computing, FusedModule)
    assert twin.computing.module is twin.module
    assert twin.module is not model.module
    assert_same(evaluate(twin.computing, *batch), expected)
    fit(twin, cells, max_epochs=1)
    assert_same(evaluate(model.computing, *batch), expected)
    assert_close(evaluate(twin.computing, *batch), evaluate(twin.module, *batch))


def test_applies_to_float32_alone(code):
    computing, module, _, _ = make(SMALL, code)
    assert computing.applies
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        module.to(dtype)
        assert not computing.applies
    module.float()
    assert computing.applies


def test_does_not_apply_under_autocast(code):
    computing, _, _, _ = make(SMALL, code)
    with torch.autocast("cpu"):
        assert not computing.applies
        with torch.autocast("cpu", enabled=False):
            assert computing.applies
    assert computing.applies


@pytest.mark.usefixtures("code")
def test_a_model_uses_what_applies(cells):
    model = make_model(cells)
    assert isinstance(model.computing, FusedModule)
    with torch.autocast("cpu"):
        assert model.computing is model.module
    assert model.double().computing is model.module
    assert isinstance(model.float().computing, FusedModule)


# Training


@pytest.mark.parametrize("n_covariates", [0, 2])
def test_training_ends_at_the_weights_of_the_plain_module(n_covariates, code):
    case = Case(n_pops=6, n_covariates=n_covariates)
    start = make_module(case)
    generator = torch.Generator().manual_seed(3)
    z = torch.randint(case.n_pops, (600,), generator=generator)
    x = start.prior.sample(z, generator=generator)
    covariates = torch.rand(600, n_covariates, generator=generator).round()

    def train(module: ScyanModule, computing: ScyanModule | FusedModule) -> list[float]:
        optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
        losses = []
        for step in range(30):
            module.prior.prior_std.fill_(0.35 if step < 10 else 0.3)
            rows = slice(100 * (step % 6), 100 * (step % 6 + 1))
            optimiser.zero_grad()
            loss, _ = computing.loss_terms(x[rows], covariates[rows], use_temp=step >= 20)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses

    ours, theirs = copy.deepcopy(start), copy.deepcopy(start)
    losses = train(ours, FusedModule(ours, code))
    assert losses == pytest.approx(train(theirs, theirs), rel=1e-4)
    assert losses[-1] < losses[0]
    for name, value in ours.named_parameters():
        torch.testing.assert_close(value, theirs.get_parameter(name), rtol=0, atol=1e-3, msg=name)


@pytest.mark.parametrize("seed", range(6))
def test_gradients_are_as_exact_as_those_of_plain_float32(seed, code):
    """Both are compared with float64."""
    case = Case()
    exact, plain = make_module(case, seed=seed).double(), make_module(case, seed=seed).float()
    compiled = copy.deepcopy(plain)
    x, covariates = make_cells(case)
    exact.loss_terms(x.double(), covariates.double(), False)[0].backward()
    plain.loss_terms(x, covariates, False)[0].backward()
    FusedModule(compiled, code).loss_terms(x, covariates, False)[0].backward()
    gradients = [
        torch.cat([p.grad.double().flatten() for p in module.parameters()])
        for module in (exact, plain, compiled)
    ]
    of_plain, of_compiled = ((g - gradients[0]).norm() for g in gradients[1:])
    assert of_compiled < 4 * of_plain

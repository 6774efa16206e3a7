"""What the compiled module reads at each call, what it leaves alone, and where it applies."""

from __future__ import annotations

import copy

import pytest
import torch

from scyan_exp.fused import FusedModule
from scyan_exp.module import ScyanModule
from tests.fused.conftest import (
    SMALL,
    assert_close,
    assert_same,
    evaluate,
    make,
    make_cells,
    make_module,
)
from tests.module.conftest import NAN
from tests.training.conftest import fit, make_model


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

"""Random models of many shapes, ours and the reference's with the same weights."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from scyan_exp.module import ScyanModule
from scyan_exp.module.reference import copy_reference_weights
from tests.reference import scyan

NAN = float("nan")


@dataclass(frozen=True)
class Shape:
    """Sizes of a random model.

    Attributes:
        unknown: share of NaN in the table.
        has_unknown_row: whether nothing is known of the first population.
        pi_spread: standard deviation of the logits of the populations' weights.
        weight_scale: factor of the initial weights of the flow.
    """

    n_pops: int = 5
    n_markers: int = 8
    n_covariates: int = 0
    n_continuum: int = 0
    hidden_size: int = 8
    n_hidden_layers: int = 2
    n_layers: int = 4
    prior_std: float = 0.3
    temperature: float = 0.5
    unknown: float = 0.3
    has_unknown_row: bool = False
    pi_spread: float = 0.0
    weight_scale: float = 1.0


SHAPES = {
    "plain": Shape(unknown=0.0),
    "unknown": Shape(unknown=0.5),
    "covariates": Shape(n_covariates=3),
    "continuum": Shape(n_continuum=2),
    "all": Shape(n_covariates=2, n_continuum=3, prior_std=0.17, temperature=2.5),
    "deep": Shape(n_layers=9, n_hidden_layers=0, n_markers=7),
    "one layer": Shape(n_layers=1, n_markers=3, n_pops=2),
    "two markers": Shape(n_markers=2, n_covariates=1),
}


def random_table(shape: Shape, generator: torch.Generator) -> Tensor:
    """(P, M) table of -1, 1, values between and NaN, in the default dtype."""
    size = (shape.n_pops, shape.n_markers)
    rho = torch.where(torch.rand(size, generator=generator) < 0.5, -1.0, 1.0)
    between = 2 * torch.rand(size, generator=generator) - 1
    rho = torch.where(torch.rand(size, generator=generator) < 0.1, between, rho)
    rho[torch.rand(size, generator=generator) < shape.unknown] = NAN
    if shape.has_unknown_row:
        rho[0] = NAN
    return rho


def make_module(shape: Shape, seed: int = 0, dtype: torch.dtype = torch.float64) -> ScyanModule:
    """Our module with a random table and random weights."""
    generator = torch.Generator().manual_seed(seed)
    module = ScyanModule(
        random_table(shape, generator).to(dtype),
        shape.n_covariates,
        torch.arange(shape.n_markers) < shape.n_continuum,
        shape.hidden_size,
        shape.n_hidden_layers,
        shape.n_layers,
        shape.prior_std,
        shape.temperature,
        generator=generator,
    ).to(dtype)
    with torch.no_grad():
        module.pi_logit.add_(shape.pi_spread * torch.randn(shape.n_pops, generator=generator))
        for layer in module.real_nvp.layers:
            layer.phi.mul_(shape.weight_scale)
    return module


def make_cells(
    shape: Shape,
    n_cells: int = 6,
    seed: int = 1,
    dtype: torch.dtype = torch.float64,
    spread: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """Random expressions and covariates."""
    generator = torch.Generator().manual_seed(seed)
    x = spread * torch.randn(n_cells, shape.n_markers, generator=generator, dtype=dtype)
    return x, torch.rand(n_cells, shape.n_covariates, generator=generator, dtype=dtype)


@dataclass
class Pair:
    """Our module, the reference's with the same weights, and a batch of cells."""

    ours: ScyanModule
    theirs: scyan.module.ScyanModule
    x: Tensor
    covariates: Tensor
    shape: Shape


def make_pair(shape: Shape, seed: int = 0, n_cells: int = 23) -> Pair:
    dtype = torch.get_default_dtype()
    ours = make_module(shape, seed, dtype)
    torch.manual_seed(seed)  # the reference draws its weights from the global generator
    theirs = scyan.module.ScyanModule(
        ours.prior.rho.clone(),
        shape.n_covariates,
        torch.arange(shape.n_markers) < shape.n_continuum,
        shape.hidden_size,
        shape.n_hidden_layers,
        shape.n_layers,
        shape.prior_std,
        shape.temperature,
    )
    with torch.no_grad():
        theirs.pi_logit.normal_(0, 0.02)
        state = {f"module.{key}": value for key, value in theirs.state_dict().items()}
        copy_reference_weights(state, ours)
    return Pair(ours, theirs, *make_cells(shape, n_cells, seed + 1, dtype, spread=1.0), shape)


@pytest.fixture
def float64():
    """Compute in float64 within the test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def pair(request, float64) -> Pair:
    return make_pair(request.param)

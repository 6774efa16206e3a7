"""Random models of many shapes, ours and the reference's with the same weights."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import scyan.module
import torch
from torch import Tensor

from scyan_exp.module import ScyanModule
from scyan_exp.module.reference import copy_reference_weights

NAN = float("nan")


@dataclass(frozen=True)
class Shape:
    """Sizes of a random model; ``unknown`` is the share of NaN in the table."""

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
    return rho.to(torch.get_default_dtype())


@dataclass
class Pair:
    """Our module, the reference's with the same weights, and a batch of cells."""

    ours: ScyanModule
    theirs: scyan.module.ScyanModule
    x: Tensor
    covariates: Tensor
    shape: Shape


def make_pair(shape: Shape, seed: int = 0, n_cells: int = 23) -> Pair:
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # the reference draws its weights from the global generator
    rho = random_table(shape, generator)
    is_continuum = torch.arange(shape.n_markers) < shape.n_continuum
    sizes = (shape.hidden_size, shape.n_hidden_layers, shape.n_layers)
    knobs = (shape.prior_std, shape.temperature)
    theirs = scyan.module.ScyanModule(rho.clone(), shape.n_covariates, is_continuum, *sizes, *knobs)
    ours = ScyanModule(rho, shape.n_covariates, is_continuum, *sizes, *knobs)
    with torch.no_grad():
        theirs.pi_logit.copy_(0.02 * torch.randn(shape.n_pops, generator=generator))
        state = {f"module.{key}": value for key, value in theirs.state_dict().items()}
        copy_reference_weights(state, ours)
    x = torch.randn(n_cells, shape.n_markers, generator=generator)
    covariates = torch.rand(n_cells, shape.n_covariates, generator=generator).round()
    return Pair(ours, theirs, x, covariates, shape)


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

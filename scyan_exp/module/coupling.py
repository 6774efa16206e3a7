"""One coupling layer of the flow. Shapes: see :mod:`scyan_exp.module`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

# Covariates enter the networks times 100, so that a few weights suffice to move them
# (constant of the reference implementation).
COVARIATE_SCALE = 100.0


class CouplingLayer(nn.Module):
    r"""Affine coupling layer (Dinh et al. 2017, eq. 7).

    Markers where ``mask`` is 1 are kept; the others become

    .. math:: y = x \, e^{s} + t, \qquad \log|\det J| = \sum s,

    where s and t are two MLPs of ``[kept markers ; 100 * covariates]`` with ReLU between
    layers and tanh at the end of s. Only the kept inputs and the transformed outputs are
    computed, and s and t are evaluated together as one batched product: every weight has a
    leading axis of size 2, s first. All weights lie in one vector, ``phi``, so that an
    optimiser step, a checkpoint or a stack of models handles one tensor a layer.

    Args:
        input_size: number of markers plus number of covariate columns, M + C.
        hidden_size: width H of the hidden layers.
        output_size: number of markers M.
        n_hidden_layers: number of hidden-to-hidden layers after the first one.
        mask: (M,), 1 for a kept marker and 0 for a transformed one.
        starts_as_identity: s and t start at 0, so that the layer changes nothing at first.
        generator: source of the initial weights; the global one when None.

    Example:
        >>> layer = CouplingLayer(4, 8, 3, 1, torch.tensor([0, 1, 1]))
        >>> x, covariates = torch.randn(5, 3), torch.randn(5, 1)
        >>> y, _, ldj = layer((x, covariates, None))
        >>> torch.allclose(layer.inverse(y, covariates), x, atol=1e-5)
        True
    """

    kept: Tensor
    transformed: Tensor
    order: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        n_hidden_layers: int,
        mask: Tensor,
        *,
        starts_as_identity: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if mask.shape != (output_size,):
            raise ValueError(f"mask: expected shape ({output_size},), got {tuple(mask.shape)}")
        kept = mask.bool()
        # What follows from the arguments is not saved: checkpoints are written every epoch.
        self.register_buffer("mask", mask.detach().clone(), persistent=False)
        self.register_buffer("kept", kept.nonzero().squeeze(1), persistent=False)
        self.register_buffer("transformed", (~kept).nonzero().squeeze(1), persistent=False)
        order = torch.cat([self.kept, self.transformed]).argsort()
        self.register_buffer("order", order, persistent=False)

        n_kept, n_transformed = len(self.kept), len(self.transformed)
        n_inputs = n_kept + input_size - output_size
        sizes = [n_inputs, *[hidden_size] * (n_hidden_layers + 1), n_transformed]
        self.shapes = [
            shape for n_in, n_out in pairwise(sizes) for shape in ((2, n_in, n_out), (2, 1, n_out))
        ]
        # The first bound counts every marker, as in the reference, whose first layer also has
        # (unused) weights for the transformed markers.
        bounds = [1 / math.sqrt(fan) for fan in (input_size, *sizes[1:-1])]
        self.phi = _uniform(self.shapes, bounds, generator)
        if starts_as_identity:
            with torch.no_grad():
                for last in self.linears(self.phi)[-1]:
                    last.zero_()

    def linears(self, phi: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views of ``phi``, or of its gradient: weight (2, n_in, n_out) and bias (2, 1, n_out)."""
        parts = phi.split([math.prod(shape) for shape in self.shapes])
        views = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def scale_and_shift(self, kept_BK: Tensor, covariates_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the networks s and t, each of shape (B, T)."""
        inputs = torch.cat([kept_BK, COVARIATE_SCALE * covariates_BC], dim=1)
        hidden = inputs.expand(2, *inputs.shape)
        *hidden_layers, last = self.linears(self.phi)
        for weight, bias in hidden_layers:
            hidden = torch.relu_(torch.baddbmm(bias, hidden, weight))
        s, t = torch.baddbmm(last[1], hidden, last[0])
        return torch.tanh(s), t

    def transform(
        self, kept_BK: Tensor, x_BT: Tensor, covariates_BC: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Transform the markers of this layer; return them (B, T) and the log-determinant (B,)."""
        s, t = self.scale_and_shift(kept_BK, covariates_BC)
        return torch.addcmul(t, x_BT, s.exp()), s.sum(dim=1)

    def untransform(self, kept_BK: Tensor, y_BT: Tensor, covariates_BC: Tensor) -> Tensor:
        """Undo :meth:`transform`."""
        s, t = self.scale_and_shift(kept_BK, covariates_BC)
        return (y_BT - t) * torch.exp(-s)

    def forward(
        self, inputs: tuple[Tensor, Tensor, Tensor | None]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``(x (B, M), covariates (B, C), ldj_sum (B,) or None)`` to the same triple."""
        x, covariates, ldj_sum = inputs
        kept = x.index_select(1, self.kept)
        y, ldj = self.transform(kept, x.index_select(1, self.transformed), covariates)
        y = torch.cat([kept, y], dim=1).index_select(1, self.order)
        return y, covariates, ldj if ldj_sum is None else ldj_sum + ldj

    def inverse(self, y: Tensor, covariates: Tensor) -> Tensor:
        """Map outputs (B, M) back to inputs (B, M)."""
        kept = y.index_select(1, self.kept)
        x = self.untransform(kept, y.index_select(1, self.transformed), covariates)
        return torch.cat([kept, x], dim=1).index_select(1, self.order)


def _uniform(
    shapes: Sequence[tuple[int, int, int]],
    bounds: Sequence[float],
    generator: torch.Generator | None,
) -> nn.Parameter:
    """Weights and biases uniform on [-bound, bound], the default of ``torch.nn.Linear``."""
    weights, biases = (
        [
            torch.empty(shape).uniform_(-bound, bound, generator=generator)
            for shape, bound in zip(part, bounds, strict=True)
        ]
        for part in (shapes[::2], shapes[1::2])
    )
    values = [v.flatten() for pair in zip(weights, biases, strict=True) for v in pair]
    return nn.Parameter(torch.cat(values))

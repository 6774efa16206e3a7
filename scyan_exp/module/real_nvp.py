"""The normalizing flow. Shapes: see :mod:`scyan_exp.module`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scyan_exp.module.coupling import CouplingLayer

# Layer i transforms every third marker, starting at marker i (reference implementation).
N_GROUPS = 3


class RealNVP(nn.Module):
    r"""Normalizing flow :math:`f_\phi` from expressions to latent space (RealNVP).

    Layer i keeps marker j where ``(j - i) mod 3 > 0`` and transforms the others. The markers
    therefore fall into three groups, by their index modulo 3, and each layer transforms one
    group given the two others. The flow sorts the markers by group once on entry and unsorts
    them on exit, so that no layer has to pick columns; the masks of ``layers`` are in that
    sorted order.

    Args:
        input_size: number of markers plus number of covariate columns, M + C.
        hidden_size: width H of the networks s and t.
        output_size: number of markers M.
        n_hidden_layers: number of hidden-to-hidden layers of s and t.
        n_layers: number of coupling layers.
        starts_as_identity: the flow changes nothing before it is trained: u = x.
        generator: source of the initial weights; the global one when None.

    Example:
        >>> flow = RealNVP(5, 16, 5, 2, 4)
        >>> x, covariates = torch.randn(8, 5), torch.empty(8, 0)
        >>> u, _, ldj = flow(x, covariates)
        >>> u.shape, ldj.shape
        (torch.Size([8, 5]), torch.Size([8]))
    """

    order: Tensor
    unorder: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        n_hidden_layers: int,
        n_layers: int,
        *,
        starts_as_identity: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        group = torch.arange(output_size) % N_GROUPS
        order = group.argsort(stable=True)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("unorder", order.argsort(), persistent=False)
        self.group_sizes = [int((group == k).sum()) for k in range(N_GROUPS)]
        self.layers: Sequence[CouplingLayer] = nn.ModuleList(  # type: ignore[assignment]
            CouplingLayer(
                input_size,
                hidden_size,
                output_size,
                n_hidden_layers,
                (group[order] != i % N_GROUPS).long(),
                starts_as_identity=starts_as_identity,
                generator=generator,
            )
            for i in range(n_layers)
        )

    def forward(self, x: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map expressions to latent space.

        Args:
            x: (B, M) expressions.
            covariates: (B, C) covariates.

        Returns:
            Latent expressions (B, M), the covariates as given, log-determinant (B,).
        """
        groups = self._split(x)
        ldj = x.new_zeros(len(x))
        for i, layer in enumerate(self.layers):
            kept = _others(groups, i % N_GROUPS)
            groups[i % N_GROUPS], ldj_i = layer.transform(kept, groups[i % N_GROUPS], covariates)
            ldj = ldj + ldj_i
        return self._join(groups), covariates, ldj

    def inverse(self, u: Tensor, covariates: Tensor) -> Tensor:
        """Map latent expressions (B, M) back to expressions (B, M)."""
        groups = self._split(u)
        for i, layer in reversed(list(enumerate(self.layers))):
            kept = _others(groups, i % N_GROUPS)
            groups[i % N_GROUPS] = layer.untransform(kept, groups[i % N_GROUPS], covariates)
        return self._join(groups)

    def _split(self, x_BM: Tensor) -> list[Tensor]:
        return list(x_BM.index_select(1, self.order).split(self.group_sizes, dim=1))

    def _join(self, groups: list[Tensor]) -> Tensor:
        return torch.cat(groups, dim=1).index_select(1, self.unorder)


def _others(groups: list[Tensor], k: int) -> Tensor:
    """All groups but the k-th, side by side."""
    return torch.cat(groups[:k] + groups[k + 1 :], dim=1)

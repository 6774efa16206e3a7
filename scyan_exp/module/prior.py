"""The prior of the latent space. Shapes: see :mod:`scyan_exp.module`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# The modes of a continuum marker lie five times closer to 0 (constant of the reference).
CONTINUUM_FACTOR = 5.0
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class PriorDistribution(nn.Module):
    r"""Prior of the latent expressions of each population (paper, Methods, "generative process").

    A cell of population z has :math:`u = E + H`, with H normal of standard deviation
    ``prior_std`` and E equal to the table where the expression is known, uniform on [-1, 1]
    where it is not. The density of one marker is that of :math:`N(0, \sigma)` at d, where

    * known: :math:`d = u - \rho / k` (k = 5 for continuum markers, else 1);
    * not known: :math:`d = \max(|u| - (1 - \sigma), 0)`, times
      :math:`\gamma = 1 / (1 + \frac{1 - \sigma}{\sigma} \sqrt{2 / \pi})`,

    so that each density integrates to 1.

    Args:
        rho: (P, M) knowledge table, NaN where not known. Copied, never changed.
        is_continuum_marker: (M,) booleans.
        prior_std: standard deviation of H, in (0, 1).
        n_markers: number of markers M.
    """

    prior_std: Tensor
    rho: Tensor
    known: Tensor
    modes: Tensor

    def __init__(
        self, rho: Tensor, is_continuum_marker: Tensor, prior_std: float, n_markers: int
    ) -> None:
        super().__init__()
        if rho.ndim != 2 or rho.shape[1] != n_markers:
            raise ValueError(f"rho: expected shape (P, {n_markers}), got {tuple(rho.shape)}")
        if is_continuum_marker.shape != (n_markers,):
            raise ValueError(
                f"is_continuum_marker: expected shape ({n_markers},), "
                f"got {tuple(is_continuum_marker.shape)}"
            )
        self.n_markers = n_markers
        factor = torch.where(is_continuum_marker.bool(), CONTINUUM_FACTOR, 1.0).to(rho.dtype)
        self.register_buffer("rho", rho.detach().clone())
        self.register_buffer("known", (~rho.isnan()).to(rho.dtype))
        self.register_buffer("modes", rho.detach().nan_to_num(0.0) / factor)
        # Zero-dimensional, so float64 keeps the user's value without promoting the cells.
        self.register_buffer("prior_std", torch.tensor(prior_std, dtype=torch.float64))

    @torch.no_grad()
    def fill(self, means: Tensor) -> int:
        """Give each unknown entry a mode, in place; known entries stay as they are.

        The mode is the number given, also for a continuum marker. (The reference divides that by 5,
        like the entries of the table.)

        Args:
            means: (P, M) modes; NaN leaves an entry unknown.

        Returns:
            The number of entries filled.

        Raises:
            ValueError: the shape is not that of the table.
        """
        if means.shape != self.rho.shape:
            raise ValueError(
                f"means: expected shape {tuple(self.rho.shape)}, got {tuple(means.shape)}"
            )
        means = means.to(self.rho)
        filled = (self.known == 0) & ~means.isnan()
        for buffer in (self.rho, self.modes):
            buffer[filled] = means[filled]
        self.known[filled] = 1
        return int(filled.sum())

    def log_prob(self, u: Tensor) -> Tensor:
        r"""Log-density of latent expressions (B, M) under each population: (B, P).

        The sum over markers is written as matrix products: with e the part of \|u\| beyond
        1 - prior_std, the squared distances are ``(u^2 - e^2) known^T - 2 u modes^T +
        |modes|^2 + |e|^2``, and no tensor of shape (B, P, M) is needed.
        """
        constant_P, square_MP, linear_MP = self.coefficients(u.dtype)
        excess2_BM = (u.abs() - (1 - self.prior_std.to(u.dtype))).clamp(min=0).square()
        log_prob_BP = torch.addmm(constant_P, u.square() - excess2_BM, square_MP)
        log_prob_BP = torch.addmm(log_prob_BP, u, linear_MP)
        return log_prob_BP - self.half_precision(u.dtype) * excess2_BM.sum(dim=1, keepdim=True)

    def coefficients(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Constant (P,), factors of u^2 - e^2 (M, P) and of u (M, P) in :meth:`log_prob`."""
        half_precision = self.half_precision(dtype)
        constant_P = self._log_norm() - half_precision * self.modes.square().sum(dim=1)
        return constant_P, self.known.T * -half_precision, self.modes.T * (2 * half_precision)

    def half_precision(self, dtype: torch.dtype) -> Tensor:
        """1 / (2 prior_std^2), a scalar."""
        return 0.5 / self.prior_std.to(dtype).square()

    def log_prob_per_marker(self, u: Tensor) -> Tensor:
        """Log-density of each marker under each population: (B, P, M), for interpretation."""
        std = self.prior_std.to(u.dtype)
        difference = self.difference_to_modes(u)
        log_normal = -0.5 * (difference / std).square() - std.log() - LOG_SQRT_2PI
        return log_normal + (1 - self.known) * self._log_gamma(std)

    def difference_to_modes(self, u: Tensor) -> Tensor:
        """Distance d of the class docstring, from latent expressions (B, M): (B, P, M)."""
        std = self.prior_std.to(u.dtype)
        excess = (u.abs() - (1 - std)).clamp(min=0)[:, None, :]
        return torch.where(self.known.bool(), u[:, None, :] - self.modes, excess)

    def sample(self, z: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw latent expressions (len(z), M) of the populations ``z``.

        The draws follow :meth:`log_prob`. The reference differs in two places: it centres
        continuum markers on rho instead of rho/5, and where the table is not known it draws
        the sum of a uniform and a normal, of which its density is an approximation.
        """
        std = self.prior_std.to(self.rho.dtype)
        h = std * torch.empty_like(self.rho[z]).normal_(generator=generator)
        flat = (1 - std) * torch.empty_like(h).uniform_(-1, 1, generator=generator)
        # The density of an unknown marker is flat up to 1 - std, with normal tails of mass gamma.
        in_tail = torch.empty_like(h).uniform_(generator=generator) < self._log_gamma(std).exp()
        unknown = torch.where(in_tail, torch.sign(h) * (1 - std) + h, flat)
        return torch.where(self.known[z].bool(), self.modes[z] + h, unknown)

    def _log_gamma(self, std: Tensor) -> Tensor:
        return -torch.log1p((1 - std) / std * math.sqrt(2 / math.pi))

    def _log_norm(self) -> Tensor:
        """Constant terms of the log-density of each population: (P,)."""
        std = self.prior_std.to(self.known.dtype)
        n_unknown = self.n_markers - self.known.sum(dim=1)
        return n_unknown * self._log_gamma(std) - self.n_markers * (std.log() + LOG_SQRT_2PI)

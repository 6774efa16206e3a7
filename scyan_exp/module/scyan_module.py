"""Flow and prior together: the Scyan model. Shapes: see :mod:`scyan_exp.module`."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, distributions, nn

from scyan_exp.module.prior import PriorDistribution
from scyan_exp.module.real_nvp import RealNVP


class ScyanModule(nn.Module):
    r"""The Scyan model: a flow to a latent space whose prior is built from the table.

    .. math:: \log p(x) = \log \sum_z \pi_z \, p(f_\phi(x) \mid z) + \log |\det J_{f_\phi}(x)|

    (Blampey et al. 2023, Methods.) Modules of equal shapes can be stacked: all parameters and
    buffers, ``prior_std`` and ``temperature`` included, may carry a batch axis under
    ``torch.func.vmap``.

    Args:
        rho: (P, M) knowledge table: -1, 1, any number between, NaN where not known.
        n_covariates: number of covariate columns C.
        is_continuum_marker: (M,) booleans.
        hidden_size: width of the networks s and t.
        n_hidden_layers: number of hidden-to-hidden layers of s and t.
        n_layers: number of coupling layers.
        prior_std: standard deviation of the cell-specific term H, in (0, 1).
        temperature: temperature that favours small populations, positive.
        starts_as_identity: the flow changes nothing before it is trained: u = x.
        generator: source of the initial weights; the global one when None.

    Attributes:
        real_nvp (RealNVP): the normalizing flow.
        prior (PriorDistribution): the prior of the latent expressions.
        pi_logit (Tensor): (P,) logits of the population weights.
        hparams: the scalar arguments above, as attributes.

    Example:
        >>> rho = torch.tensor([[1.0, -1.0, float("nan")], [-1.0, 1.0, 1.0]])
        >>> module = ScyanModule(rho, 0, torch.zeros(3, dtype=bool), 16, 6, 7, 0.3, 0.5)
        >>> x, covariates = torch.randn(8, 3), torch.empty(8, 0)
        >>> module.kl(x, covariates, use_temp=False).shape
        torch.Size([])
    """

    #: Population logits are multiplied by 100, so that they learn faster (reference constant).
    pi_logit_ratio: float = 100

    temperature: Tensor

    def __init__(
        self,
        rho: Tensor,
        n_covariates: int,
        is_continuum_marker: Tensor,
        hidden_size: int,
        n_hidden_layers: int,
        n_layers: int,
        prior_std: float,
        temperature: float,
        *,
        starts_as_identity: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.hparams = SimpleNamespace(
            hidden_size=hidden_size,
            n_hidden_layers=n_hidden_layers,
            n_layers=n_layers,
            prior_std=prior_std,
            temperature=temperature,
        )
        self.n_pops, self.n_markers = rho.shape
        self.pi_logit = nn.Parameter(torch.zeros(self.n_pops))
        self.real_nvp = RealNVP(
            self.n_markers + n_covariates,
            hidden_size,
            self.n_markers,
            n_hidden_layers,
            n_layers,
            starts_as_identity=starts_as_identity,
            generator=generator,
        )
        self.prior = PriorDistribution(rho, is_continuum_marker, prior_std, self.n_markers)
        self.register_buffer("temperature", torch.tensor(temperature, dtype=torch.float64))

    def forward(self, x: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map expressions (B, M) to latent space, given covariates (B, C).

        Returns:
            Latent expressions (B, M), the covariates as given, log-determinant (B,).
        """
        return self.real_nvp(x, covariates)

    @torch.no_grad()
    def inverse(self, u: Tensor, covariates: Tensor) -> Tensor:
        """Map latent expressions (B, M) back to expressions (B, M), given covariates (B, C)."""
        return self.real_nvp.inverse(u, covariates)

    @property
    def prior_z(self) -> distributions.Categorical:
        """Distribution of the population index, Categorical(pi)."""
        return distributions.Categorical(self.pi)

    @property
    def log_pi(self) -> Tensor:
        """Log population weights (P,)."""
        return torch.log_softmax(self.pi_logit_ratio * self.pi_logit, dim=0)

    @property
    def pi(self) -> Tensor:
        """Population weights (P,); they sum to 1."""
        return torch.exp(self.log_pi)

    def log_pi_temperature(self, T: float | Tensor) -> Tensor:
        """Log population weights (P,) at temperature T, detached; the loss uses T < 0."""
        if isinstance(T, Tensor):
            T = T.to(self.pi_logit.dtype)
        return torch.log_softmax(self.pi_logit_ratio * self.pi_logit / T, dim=0).detach()

    @torch.no_grad()
    def sample(
        self,
        n_samples: int,
        covariates: Tensor,
        z: int | Tensor | None = None,
        return_z: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Draw cells from the model.

        Args:
            n_samples: number of cells.
            covariates: (n_samples, C) covariates of the cells.
            z: a population index, a tensor (n_samples,) of them, or None to draw them from pi.
            return_z: whether to return the population indices too.
            generator: source of randomness; the global one when None.

        Returns:
            Expressions (n_samples, M), and the population indices if ``return_z``.

        Raises:
            ValueError: ``z`` is of another type or of another length than ``n_samples``.
        """
        z = self._population_indices(n_samples, z, generator)
        x = self.inverse(self.prior.sample(z, generator=generator), covariates)
        return (x, z) if return_z else x

    def _population_indices(
        self, n_samples: int, z: int | Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        device = self.pi_logit.device
        if z is None:
            return torch.multinomial(self.pi, n_samples, replacement=True, generator=generator)
        if isinstance(z, int):
            return torch.full((n_samples,), z, device=device)
        if not isinstance(z, Tensor):
            raise ValueError(f"z: expected None, an int or a Tensor, got {type(z).__name__}")
        if z.shape != (n_samples,):
            raise ValueError(f"z: expected shape ({n_samples},), got {tuple(z.shape)}")
        return z.to(device=device, dtype=torch.long)

    def compute_probabilities(
        self, x: Tensor, covariates: Tensor, use_temp: bool | Tensor = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Joint log-probabilities of cells and populations.

        Args:
            x: (B, M) expressions.
            covariates: (B, C) covariates.
            use_temp: whether the weights are those at minus the temperature. A boolean tensor
                (for stacked modules) selects between both without branching.

        Returns:
            ``log p(u | z) + log pi_z`` (B, P), log-determinant (B,), latent u (B, M).
        """
        u, _, ldj_sum = self(x, covariates)
        return self.prior.log_prob(u) + self.log_weights(use_temp), ldj_sum, u

    def kl(self, x: Tensor, covariates: Tensor, use_temp: bool | Tensor) -> Tensor:
        """Loss of one batch: minus the mean log-likelihood of the cells, a scalar.

        Arguments as in :meth:`compute_probabilities`.
        """
        return self.loss_terms(x, covariates, use_temp)[0]

    def loss_terms(
        self, x: Tensor, covariates: Tensor, use_temp: bool | Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss :meth:`kl` and its mean log-determinant term, two scalars."""
        log_probs, ldj_sum, _ = self.compute_probabilities(x, covariates, use_temp)
        mean_ldj = ldj_sum.mean()
        return -(torch.logsumexp(log_probs, dim=1).mean() + mean_ldj), mean_ldj

    def log_weights(self, use_temp: bool | Tensor) -> Tensor:
        """Log population weights (P,) as the loss uses them, with the temperature or without."""
        if isinstance(use_temp, Tensor):
            favoured = self.log_pi_temperature(-self.temperature)
            return torch.where(use_temp, favoured, self.log_pi)
        return self.log_pi_temperature(-self.temperature) if use_temp else self.log_pi

"""What a metric can be computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scyan_exp.config.objectives import Need

#: What a metric can take, besides other metrics.
NAMES = (
    "population_N",
    "counts_P",
    "n_pops",
    "x_NM",
    "latent_NM",
    "rho_PM",
    "batch_N",
    "true_S",
    "predicted_S",
    "best_loss",
)


@dataclass(frozen=True, repr=False)
class Inputs:
    """An annotation of N cells as arrays, with what is known of the cells.

    Attributes:
        population: (N,) index of the population of every cell.
        x: (N, M) inputs of the model.
        latent: (N, M) latent expressions.
        rho: (P, M) knowledge table, NaN where not known.
        labels: (N,) index of the true population, -1 where the table has no such row; None
            without labels.
        batches: (N,) index of the batch; None without batches.
        best_loss: the training loss of the epoch whose weights annotate; None for a consensus.
    """

    population: np.ndarray
    x: np.ndarray
    latent: np.ndarray
    rho: np.ndarray
    labels: np.ndarray | None = None
    batches: np.ndarray | None = None
    best_loss: float | None = None

    def has(self, need: Need) -> bool:
        """Whether something is there that a metric may need."""
        parts = {"labels": self.labels, "batches": self.batches, "training": self.best_loss}
        return parts[need] is not None

    def by_name(self) -> dict[str, Any]:
        """What a metric can take, by the name of its argument.

        Besides the attributes: ``n_pops``, the number of populations P; ``counts_P``, the cells
        of each; and, of the S cells whose label is a row of the table, ``true_S`` and
        ``predicted_S``.
        """
        n_pops = len(self.rho)
        given: dict[str, Any] = {
            "population_N": self.population,
            "counts_P": np.bincount(self.population, minlength=n_pops),
            "n_pops": n_pops,
            "x_NM": self.x,
            "latent_NM": self.latent,
            "rho_PM": self.rho,
        }
        if self.batches is not None:
            given["batch_N"] = self.batches
        if self.best_loss is not None:
            given["best_loss"] = self.best_loss
        if self.labels is not None:
            scored = self.labels >= 0
            given["true_S"], given["predicted_S"] = self.labels[scored], self.population[scored]
        return given

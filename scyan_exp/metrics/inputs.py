"""What a metric can be computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scyan_exp.config.objectives import Need

#: Corrected inputs (S, M) of the cells with the given indices (S,).
CorrectedOf = Callable[[np.ndarray], np.ndarray]
#: What a metric can take, besides other metrics.
NAMES = (
    "population_N",
    "counts_P",
    "n_pops",
    "x_NM",
    "latent_NM",
    "rho_PM",
    "batch_N",
    "corrected_of",
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
        corrected_of: takes indices (S,) of cells, gives their inputs (S, M) corrected for the
            batch effect; it is computed when a metric asks for it. None without batches.
        best_loss: the training loss of the epoch whose weights annotate; None for a consensus.
    """

    population: np.ndarray
    x: np.ndarray
    latent: np.ndarray
    rho: np.ndarray
    labels: np.ndarray | None = None
    batches: np.ndarray | None = None
    corrected_of: CorrectedOf | None = None
    best_loss: float | None = None

    def has(self, need: Need) -> bool:
        """Whether something is there that a metric may need."""
        parts: dict[Need, tuple[Any, ...]] = {
            "labels": (self.labels,),
            "batches": (self.batches, self.corrected_of),
            "training": (self.best_loss,),
        }
        return all(part is not None for part in parts[need])

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
        if self.has("batches"):
            given["batch_N"], given["corrected_of"] = self.batches, self.corrected_of
        if self.best_loss is not None:
            given["best_loss"] = self.best_loss
        if self.labels is not None:
            scored = self.labels >= 0
            given["true_S"], given["predicted_S"] = self.labels[scored], self.population[scored]
        return given

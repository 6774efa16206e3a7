"""Combining the annotations of several trainings on the same cells with the same table.

Single trainings differ with the seed, and some end in bad optima: cells drift into populations of
which the table says little. Neither the loss nor the agreement of members with each other tells
such a training from a good one; how well the expressions of its cells follow the table does
(``table_agreement``). ``docs/consensus.md`` says what was compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.metrics.agreement import table_agreement
from scyan_exp.results.annotation import DEFAULTS, Annotation, predict_cells
from scyan_exp.results.chunks import in_chunks
from scyan_exp.results.columns import AGREEMENT, MEMBERS
from scyan_exp.results.posteriors import Posteriors
from scyan_exp.training.scyan import Scyan

#: A member that agrees with the table by this much less has 1/e of the weight.
TOLERANCE = 0.01
#: (N, M) model inputs and (N, C) covariates.
Inputs = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Member:
    """One training of several.

    Attributes:
        name: what tells it from the others, such as ``seed_3``.
        model: the trained model.
        weight: its share in the consensus.
    """

    name: str
    model: Scyan
    weight: float = 0.0


@dataclass(frozen=True, repr=False)
class Consensus(Annotation):
    """An annotation on which several models agree.

    ``log_prob`` is the weighted mean of the members' ``log p(u | z)`` of the population chosen,
    ``latent`` that of the member with the largest weight. ``confidence`` and ``proba`` are those
    of the weighted geometric mean of the members' ``p(z | x)``, which chooses the population.

    Attributes:
        agreement: (N,) weights of the members whose own annotation is the same, 0 to 1.
        members: the members' own annotations, by name.
    """

    agreement: np.ndarray = None  # type: ignore[assignment]  # always given; the base has defaults
    members: dict[str, Annotation] = None  # type: ignore[assignment]

    def obs(self) -> pd.DataFrame:
        """The columns of an annotation, ``scyan_agreement``, and ``scyan_pop_<member>`` each.

        The latter begin with ``key``, if it is another one.
        """
        columns = super().obs()
        columns[AGREEMENT] = self.agreement.astype(np.float32)
        for name, annotation in self.members.items():
            columns[f"{self.key}_{name}"] = pd.Categorical.from_codes(
                annotation.codes, categories=self.table.populations
            )
        return columns

    def uns(self) -> dict[str, Any]:
        """As of an annotation, and the names of the members."""
        return {**super().uns(), MEMBERS: np.array(list(self.members), object)}


def weights_of(agreements: Sequence[float]) -> np.ndarray:
    """(S,) weights of S members from their agreement with the table; their sum is 1.

    The difference to the best member counts, in absolute terms: members that are equally good
    have equal weights, however many they are.
    """
    values_S = np.asarray(agreements, float)
    weights_S = np.exp((values_S - values_S.max()) / TOLERANCE)
    return weights_S / weights_S.sum()


def weigh(
    models: dict[str, Scyan],
    x: Tensor,
    covariates: Tensor,
    inputs: Mapping[str, Inputs] | None = None,
    settings: PredictConfig = DEFAULTS,
) -> tuple[list[Member], dict[str, Annotation]]:
    """Annotate cells with each model, and weigh the models by their agreement with the table.

    Args:
        models: members by name.
        x: (N, M) model inputs; on these, the agreement of all members is measured.
        covariates: (N, C) covariates.
        inputs: inputs and covariates of members that were trained on others, by name.
        settings: the threshold of the members' own annotations; their probabilities are not kept.

    Returns:
        The members, and their own annotations by name.
    """
    given = {name: (inputs or {}).get(name, (x, covariates)) for name in models}
    alone = of_members(settings)
    own = {name: predict_cells(model, *given[name], alone) for name, model in models.items()}
    rho_PM = next(iter(models.values())).table.rho
    agreements = [table_agreement(x.numpy(), one.population, rho_PM) for one in own.values()]
    weights = weights_of(agreements).tolist()
    members = [
        Member(name, model, weight)
        for (name, model), weight in zip(models.items(), weights, strict=True)
    ]
    return members, own


def of_members(settings: PredictConfig) -> PredictConfig:
    """The same for single members: of these, nobody reads all probabilities."""
    return settings.model_copy(update={"proba": False})


def combine(
    members: Sequence[Member],
    x: Tensor,
    covariates: Tensor,
    own: dict[str, Annotation] | None = None,
    inputs: Mapping[str, Inputs] | None = None,
    settings: PredictConfig = DEFAULTS,
) -> Consensus:
    """The consensus of weighted members on cells.

    A cell's population has the largest weighted mean of the members' log-posteriors
    ``log p(z | x)`` (a geometric mean: a member that excludes a population counts for much).

    Args:
        members: models with their weights.
        x: (N, M) model inputs.
        covariates: (N, C) covariates.
        own: the members' own annotations, if they are known already.
        inputs: inputs and covariates of members that were trained on others, by name.
        settings: the threshold, the key, and whether all probabilities are kept.
    """
    given = [(inputs or {}).get(one.name, (x, covariates)) for one in members]
    own = own or {
        one.name: predict_cells(one.model, *parts, of_members(settings))
        for one, parts in zip(members, given, strict=True)
    }
    heaviest = max(members, key=lambda one: one.weight)
    posteriors = Posteriors(heaviest.model.table, settings.proba)
    combined = partial(_combined, members, posteriors)
    population, log_prob, *confidences = in_chunks(combined, *chain(*given))
    agreement = sum(one.weight * (own[one.name].population == population) for one in members)
    return Consensus(
        table=heaviest.model.table,
        population=population,
        log_prob=log_prob,
        latent=own[heaviest.name].latent,
        **posteriors.named(confidences),
        threshold=settings.log_prob_th,
        key=settings.key_added,
        agreement=np.asarray(agreement),
        members=own,
    )


def _combined(members: Sequence[Member], posteriors: Posteriors, *parts: Tensor) -> list[Tensor]:
    """(B,) populations of a chunk, the mean (B,) log p(u | z) of them, and their confidences.

    Args:
        members: models with their weights.
        posteriors: turns log-posteriors into confidences.
        parts: inputs and covariates of the first member, then those of the next.
    """
    posterior_BP: Tensor | float = 0.0
    conditional_BP: Tensor | float = 0.0
    for one, x, covariates in zip(members, parts[::2], parts[1::2], strict=True):
        device = one.model.device
        joint_BP, _, _ = one.model.computing.compute_probabilities(
            x.to(device), covariates.to(device)
        )
        posterior_BP = posterior_BP + one.weight * joint_BP.log_softmax(dim=1)
        conditional_BP = conditional_BP + one.weight * (joint_BP - one.model.module.log_pi)
    assert isinstance(posterior_BP, Tensor)
    assert isinstance(conditional_BP, Tensor)
    best_B = posterior_BP.argmax(dim=1)
    log_prob_B = conditional_BP.gather(1, best_B[:, None])[:, 0]
    return [best_B, log_prob_B, *posteriors.of(posterior_BP, best_B)]

"""Refining a trained model: entries that the table leaves blank are filled from the cells.

A blank entry says nothing about a marker, so the flow may put the cells of a population at a
different place in each batch. Refining gives each blank entry one mode for all batches
(``refine_fit`` of the reference).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from scyan_exp.training.scyan import Scyan


def mean_latents(
    latent_NM: np.ndarray, codes_N: np.ndarray, batches_N: np.ndarray, n_pops: int
) -> np.ndarray:
    """Mean latent expressions of each population (P, M): the mean of its means in the batches.

    Every batch with cells of a population counts the same, however many cells these are.

    Args:
        latent_NM: (N, M) latent expressions.
        codes_N: (N,) populations, -1 for cells of none.
        batches_N: (N,) batches as numbers.
        n_pops: number of populations P.

    Returns:
        (P, M) means; NaN for a population without cells. (The reference takes 0, which would mean
        that its cells lie between negative and positive.)
    """
    annotated = codes_N >= 0
    keys = [codes_N[annotated], batches_N[annotated]]
    of_batches = pd.DataFrame(latent_NM[annotated].astype(np.float64)).groupby(keys).mean()
    means = of_batches.groupby(level=0).mean().reindex(range(n_pops))
    return means.to_numpy()


def with_filled_table(model: Scyan, means_PM: np.ndarray) -> tuple[Scyan, int]:
    """A model with the same weights, whose prior has these means in place of blank entries.

    Its table stays as it was: only the prior is filled, which a checkpoint holds too. It has no
    warm-up, because it is trained already.

    Args:
        model: a trained model; it is not changed.
        means_PM: (P, M) latent expressions, NaN for entries that stay blank.

    Returns:
        The model, and the number of entries filled.
    """
    refined = Scyan(**{**model.hparams, "warm_up": None}).to(model.device)
    refined.load_state_dict(model.state_dict())
    refined.module.prior.prior_std.fill_(refined.prior_std_at(0))
    return refined, refined.module.prior.fill(torch.from_numpy(means_PM))

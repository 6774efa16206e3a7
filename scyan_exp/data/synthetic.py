"""Synthetic blood: cells drawn from the model's own generative process.

The table ``tables/pbmc.csv`` is textbook immunology of human peripheral blood mononuclear
cells: 13 populations by 18 surface markers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from scyan_exp.data.table import KnowledgeTable, load_table
from scyan_exp.module import PriorDistribution

if TYPE_CHECKING:
    from anndata import AnnData

PBMC_TABLE = Path(__file__).parent / "tables" / "pbmc.csv"

#: Shares of the populations among the mononuclear cells of a healthy adult, rounded.
PROPORTIONS = {
    "Naive CD4 T cells": 0.18,
    "Memory CD4 T cells": 0.20,
    "Regulatory T cells": 0.025,
    "Naive CD8 T cells": 0.10,
    "Memory CD8 T cells": 0.12,
    "Gamma-delta T cells": 0.03,
    "Naive B cells": 0.065,
    "Memory B cells": 0.035,
    "NK cells": 0.10,
    "Classical monocytes": 0.11,
    "Non-classical monocytes": 0.015,
    "Myeloid dendritic cells": 0.012,
    "Plasmacytoid dendritic cells": 0.008,
}


def load_pbmc_table() -> KnowledgeTable:
    """The knowledge table of the synthetic cells."""
    return load_table(PBMC_TABLE)


def draw_cells(
    n_cells: int, seed: int, prior_std: float, n_batches: int = 1, batch_shift: float = 0.3
) -> AnnData:
    """Draw labelled cells: population, latent expressions, distortion, batch shift.

    Args:
        n_cells: number of cells N.
        seed: the same seed gives the same cells.
        prior_std: standard deviation of the cell-specific term H.
        n_batches: number of batches of about equal size.
        batch_shift: standard deviation of each marker's shift between batches, in units of the
            marker's standard deviation.

    Returns:
        N cells by 18 markers; ``obs`` has ``population``, and ``batch`` if ``n_batches`` > 1.
    """
    import anndata

    table = load_pbmc_table()
    rng = np.random.default_rng(seed)
    pi = np.array([PROPORTIONS[name] for name in table.populations])
    z = rng.choice(len(pi), size=n_cells, p=pi / pi.sum())
    x_NM = _distorted(_latent(table, z, prior_std, rng), rng)
    obs = pd.DataFrame(
        {"population": pd.Categorical.from_codes(z, categories=table.populations)},
        index=pd.RangeIndex(n_cells).astype(str),
    )
    if n_batches > 1:
        batch = rng.integers(n_batches, size=n_cells)
        shift = batch_shift * rng.normal(size=(n_batches, x_NM.shape[1])) * x_NM.std(axis=0)
        x_NM = x_NM + shift[batch]
        names = [f"batch {i + 1}" for i in range(n_batches)]
        obs["batch"] = pd.Categorical.from_codes(batch, categories=names)
    var = pd.DataFrame(index=pd.Index(table.markers))
    return anndata.AnnData(x_NM.astype(np.float32), obs=obs, var=var)


def _latent(
    table: KnowledgeTable, z_N: np.ndarray, prior_std: float, rng: np.random.Generator
) -> np.ndarray:
    prior = PriorDistribution(
        torch.from_numpy(table.rho).float(),
        torch.zeros(len(table.markers), dtype=torch.bool),
        prior_std,
        len(table.markers),
    )
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    return prior.sample(torch.from_numpy(z_N), generator=generator).numpy()


def _distorted(u_NM: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bend, stretch and shift each marker by a smooth, strictly increasing function of its own."""
    n_markers = u_NM.shape[1]
    bend = rng.uniform(0.3, 1.2, n_markers)
    skew = rng.uniform(-1, 1, n_markers)
    gain = rng.uniform(0.5, 2.0, n_markers)
    offset = rng.uniform(1, 3, n_markers)
    return offset + gain * np.sinh(bend * (u_NM + skew)) / bend

"""Cells in samples, and populations for them, made up for tests."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from scyan_exp.config.wanted import BiomarkersConfig
from scyan_exp.results.biomarkers import Assigned
from scyan_exp.results.samples import Samples, samples_of

POPULATIONS = ["CD4 T cells", "CD8 T cells", "B cells", "Basophils"]
LEVELS = {"level": ["T cells", "T cells", "B", ""]}
KEYS = BiomarkersConfig(sample_key="sample", group_key="group", level="level")


def cells_of(samples, seed: int = 0, n_markers: int = 3) -> anndata.AnnData:
    """Cells of the given samples; a sample's group is ``even`` or ``odd``."""
    samples = np.asarray(samples)
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in samples],
            "group": np.where(samples % 2, "odd", "even"),
        },
        index=pd.RangeIndex(len(samples)).astype(str),
    )
    x = rng.gamma(1.0, 100.0, size=(len(samples), n_markers)).astype(np.float32)
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"m{i}" for i in range(n_markers)]))


def assigned_of(codes) -> Assigned:
    return Assigned(np.asarray(codes), POPULATIONS, LEVELS)


def example(n_cells: int = 4000, n_samples: int = 8) -> tuple[anndata.AnnData, Assigned, Samples]:
    """Cells of all populations, of which odd samples have more B cells and brighter ones."""
    rng = np.random.default_rng(1)
    adata = cells_of(rng.integers(n_samples, size=n_cells))
    is_odd = (adata.obs["group"] == "odd").to_numpy()
    odds = np.where(is_odd[:, None], [0.3, 0.2, 0.4, 0.05], [0.4, 0.3, 0.2, 0.05])
    codes = (rng.random((n_cells, 1)) > odds.cumsum(axis=1)).sum(axis=1)
    codes[codes == len(POPULATIONS)] = -1
    adata.X[is_odd & (codes == 2), 0] += 100
    return adata, assigned_of(codes), samples_of(adata.obs, KEYS)

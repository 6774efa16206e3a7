"""What an annotation adds to some cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.results.annotation import Annotation


@dataclass(frozen=True)
class Added:
    """What is added to B cells.

    Attributes:
        obs: B rows; the added columns.
        obsm: (B, K) arrays by name.
        layers: (B, n_vars) arrays by name: other expressions of all columns of X.
        uns: what is said about all cells together; the same in every block.
        counts: number of cells without a population, then of each population.
        rows: the B rows of X as they are stored, if the writer needs them.
    """

    obs: pd.DataFrame
    obsm: dict[str, np.ndarray]
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(1, int))
    rows: np.ndarray | None = None

    @classmethod
    def of(cls, annotation: Annotation, known: pd.DataFrame, **more: Any) -> Added:
        """What an annotation adds.

        Args:
            annotation: the annotation of B cells.
            known: further columns of these cells.
            more: further fields.
        """
        n_pops = len(annotation.table.populations)
        return cls(
            obs=pd.concat([known, annotation.obs()], axis=1),
            obsm=annotation.obsm(),
            uns=annotation.uns(),
            counts=np.bincount(annotation.codes + 1, minlength=n_pops + 1),
            **more,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of numbers, by their names in an ``.h5ad`` file."""
        obs = dict(_stored(str(name), column) for name, column in self.obs.items())
        obsm = {f"obsm/{name}": values for name, values in self.obsm.items()}
        return {**obs, **obsm, **{f"layers/{name}": one for name, one in self.layers.items()}}


def _stored(name: str, column: pd.Series) -> tuple[str, np.ndarray]:
    """The numbers of a column; for categories, their codes."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return f"obs/{name}/codes", column.cat.codes.to_numpy()
    return f"obs/{name}", column.to_numpy()

"""Annotating cells with a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import Tensor

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.files import atomic_path
from scyan_exp.results.chunks import in_chunks
from scyan_exp.training.scyan import Prediction, Scyan

if TYPE_CHECKING:
    from anndata import AnnData

#: Cells whose most probable population has log p(u | z) below this stay unannotated
#: (default of the reference).
LOG_PROB_THRESHOLD = -50.0


@dataclass(frozen=True, repr=False)
class Annotation:
    """Annotation of N cells.

    Attributes:
        table: the table of the model.
        population: (N,) index of the most probable population of every cell.
        log_prob: (N,) log p(u | z) of that population.
        latent: (N, M) latent expressions.
        threshold: cells with a lower ``log_prob`` count as unannotated.
    """

    table: KnowledgeTable
    population: np.ndarray
    log_prob: np.ndarray
    latent: np.ndarray
    threshold: float = LOG_PROB_THRESHOLD

    def __repr__(self) -> str:
        counts = f"{len(self.population):,} cells, {len(self.table.populations)} populations"
        return f"Annotation({counts}, {int((self.codes < 0).sum()):,} unannotated)"

    @property
    def codes(self) -> np.ndarray:
        """(N,) population indices, -1 for unannotated cells."""
        return np.where(self.log_prob < self.threshold, -1, self.population)

    def obs(self) -> pd.DataFrame:
        """``scyan_pop``, ``scyan_log_prob`` and a column a level of the table."""
        columns = {
            "scyan_pop": pd.Categorical.from_codes(self.codes, categories=self.table.populations),
            "scyan_log_prob": self.log_prob,
        }
        for level, names in self.table.levels.items():
            categories = list(dict.fromkeys(names))
            position = np.array([categories.index(name) for name in names] + [-1])
            columns[f"scyan_pop_{level}"] = pd.Categorical.from_codes(
                position[self.codes], categories=categories
            )
        return pd.DataFrame(columns)


def predict_cells(model: Scyan, x: Tensor, covariates: Tensor) -> Annotation:
    """Annotate prepared cells: inputs (N, M) and covariates (N, C)."""
    model.eval()

    def predict(*batch: Tensor) -> Prediction:
        x, covariates = (part.to(model.device) for part in batch)
        return model.predict_step((x, covariates))

    population, log_prob, latent = in_chunks(predict, x, covariates)
    return Annotation(model.table, population, log_prob, latent)


def load_model(checkpoint: str | Path) -> Scyan:
    """The model of a checkpoint, with its table and the constants of its training cells."""
    return Scyan.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)


def write_annotated(
    adata: AnnData,
    annotation: Annotation,
    path: Path,
    obsm: Mapping[str, np.ndarray] | None = None,
    layers: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write the cells with their annotation as an ``.h5ad`` file.

    Args:
        adata: the N cells.
        annotation: theirs.
        path: the file.
        obsm: what else is known of each cell, by name, N rows each.
        layers: other expressions of all markers of ``adata``, by name, of the shape of X.

    Cells that are still on disk are copied within HDF5, so X is never loaded.
    """
    import h5py
    from anndata.io import write_elem

    obs = _writable(adata.obs)
    for name, column in annotation.obs().items():
        obs[name] = column.array
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as target:
        if adata.isbacked:
            _copy_all_but(adata.filename, target, leave_out=("obs", "var"))
            write_elem(target, "var", adata.var)
        else:
            _write_in_memory(adata, target)
        write_elem(target, "obs", obs)
        write_elem(target["obsm"], "X_scyan", annotation.latent)
        for name, values in (obsm or {}).items():
            write_elem(target["obsm"], name, values)
        for name, values in (layers or {}).items():
            write_elem(target["layers"], name, values)
        write_elem(target["uns"], "scyan_markers", np.array(annotation.table.markers, object))
        levels = {name: np.array(names, object) for name, names in annotation.table.levels.items()}
        write_elem(target["uns"], "scyan_levels", levels)


def _writable(obs: pd.DataFrame) -> pd.DataFrame:
    """A copy whose columns of objects (text with gaps, mixed types) are categories of text."""
    columns = {
        name: column.map(str, na_action="ignore").astype("category")
        for name, column in obs.items()
        if column.dtype == object
    }
    return obs.assign(**columns)


def _copy_all_but(source_path: Path, target: object, leave_out: Sequence[str]) -> None:
    import h5py
    from anndata.io import write_elem

    assert isinstance(target, h5py.File)
    with h5py.File(source_path, "r") as source:
        target.attrs.update(source.attrs)
        for name in source:
            if name not in leave_out:
                source.copy(name, target)
    for name in ("obsm", "uns", "layers"):  # files of older versions leave out what is empty
        if name not in target:
            write_elem(target, name, {})


def _write_in_memory(adata: AnnData, target: object) -> None:
    import h5py
    from anndata.io import write_elem

    assert isinstance(target, h5py.File)
    target.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    for name in ("X", "layers", "obsm", "obsp", "uns", "var", "varm", "varp"):
        value = getattr(adata, name)
        write_elem(target, name, value if name in ("X", "var") else dict(value))
    if adata.raw is not None:
        write_elem(target, "raw", adata.raw)

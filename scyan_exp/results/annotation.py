"""Annotating cells with a trained model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import InputError
from scyan_exp.files import atomic_path, writing_hdf5
from scyan_exp.results import columns
from scyan_exp.results.chunks import in_chunks
from scyan_exp.results.posteriors import Posteriors
from scyan_exp.training.archive import load_checkpoint
from scyan_exp.training.scyan import Scyan

if TYPE_CHECKING:
    from anndata import AnnData

#: How cells are annotated if nobody says otherwise; the defaults are the reference's.
DEFAULTS = PredictConfig()
#: Cells whose most probable population has log p(u | z) below this stay unannotated.
LOG_PROB_THRESHOLD = DEFAULTS.log_prob_th


@dataclass(frozen=True, repr=False)
class Annotation:
    """Annotation of N cells.

    Attributes:
        table: the table of the model, P populations by M markers.
        population: (N,) index of the most probable population of every cell.
        log_prob: (N,) log p(u | z) of that population.
        latent: (N, M) latent expressions.
        confidence: (N,) p(z | x) of that population, 0 to 1.
        level_confidence: for each level of the table, (N,) the sum of p(z | x) over all
            populations that are there of the same name as the most probable one.
        proba: (N, P) p(z | x) of every population; None if nobody asked for it.
        threshold: cells with a lower ``log_prob`` count as unannotated, and those whose
            ``log_prob`` is not a number.
        key: the column with the populations.
    """

    table: KnowledgeTable
    population: np.ndarray
    log_prob: np.ndarray
    latent: np.ndarray
    confidence: np.ndarray
    level_confidence: Mapping[str, np.ndarray] = field(default_factory=dict)
    proba: np.ndarray | None = None
    threshold: float = LOG_PROB_THRESHOLD
    key: str = columns.DEFAULT_KEY

    def __repr__(self) -> str:
        counts = f"{len(self.population):,} cells, {len(self.table.populations)} populations"
        return f"Annotation({counts}, {int((self.codes < 0).sum()):,} unannotated)"

    @property
    def codes(self) -> np.ndarray:
        """(N,) population indices, -1 for unannotated cells."""
        return np.where(self.log_prob >= self.threshold, self.population, -1)

    def obs(self) -> pd.DataFrame:
        """The columns of the cells.

        ``scyan_pop`` (or ``key``), ``scyan_log_prob``, ``scyan_confidence``, and for each level
        of the table ``scyan_pop_<level>`` and ``scyan_confidence_<level>``.
        """
        found: dict[str, Any] = {
            self.key: pd.Categorical.from_codes(self.codes, categories=self.table.populations),
            columns.LOG_PROB: self.log_prob,
            columns.CONFIDENCE: self.confidence,
        }
        for level, names in self.table.levels.items():
            categories = list(dict.fromkeys(names))
            position = np.array([categories.index(name) for name in names] + [-1])
            found[f"{self.key}_{level}"] = pd.Categorical.from_codes(
                position[self.codes], categories=categories
            )
            if level in self.level_confidence:
                found[f"{columns.CONFIDENCE}_{level}"] = self.level_confidence[level]
        return pd.DataFrame(found)

    def obsm(self) -> dict[str, np.ndarray]:
        """What has several numbers a cell: ``X_scyan`` (N, M), ``scyan_proba`` (N, P) if asked."""
        proba = {} if self.proba is None else {columns.PROBA: self.proba}
        return {columns.LATENT: self.latent, **proba}

    def uns(self) -> dict[str, Any]:
        """What the columns mean: their key, the threshold, the markers and populations."""
        return {
            columns.KEY: self.key,
            columns.THRESHOLD: self.threshold,
            columns.MARKERS: np.array(self.table.markers, object),
            columns.POPULATIONS: np.array(self.table.populations, object),
            columns.LEVELS: {
                name: np.array(names, object) for name, names in self.table.levels.items()
            },
        }


def predict_cells(
    model: Scyan, x: Tensor, covariates: Tensor, settings: PredictConfig = DEFAULTS
) -> Annotation:
    """Annotate prepared cells.

    Args:
        model: the trained model.
        x: (N, M) inputs.
        covariates: (N, C) covariates.
        settings: the threshold, the key, and whether all probabilities are kept.
    """
    model.eval()
    posteriors = Posteriors(model.table, settings.proba)

    def predict(*batch: Tensor) -> list[Tensor]:
        x, covariates = (part.to(model.device) for part in batch)
        found = model.predict_step((x, covariates))
        confidences = posteriors.of(found.log_joint, found.population)
        return [found.population, found.log_prob, found.latent, *confidences]

    population, log_prob, latent, *confidences = in_chunks(predict, x, covariates)
    return Annotation(
        model.table,
        population,
        log_prob,
        latent,
        **posteriors.named(confidences),
        threshold=settings.log_prob_th,
        key=settings.key_added,
    )


def load_model(checkpoint: str | Path) -> Scyan:
    """The model of a checkpoint, with its table and the constants of its training cells.

    Raises:
        InputError: it is no checkpoint of a run.
    """
    path = Path(checkpoint)
    state = load_checkpoint(path)
    try:
        model = Scyan(**state["hyper_parameters"])
        model.load_state_dict(state["state_dict"])
    except Exception as error:
        reason = f"not a checkpoint of a Scyan run ({type(error).__name__})"
        raise InputError(reason, where=str(path)) from error
    return model


def write_annotated(
    adata: AnnData,
    annotation: Annotation,
    path: Path,
    obsm: Mapping[str, np.ndarray] | None = None,
    layers: Mapping[str, np.ndarray] | None = None,
    keep: Collection[str] = (),
) -> None:
    """Write the cells with their annotation, in place of an earlier one, as an ``.h5ad`` file.

    Args:
        adata: the N cells.
        annotation: theirs.
        path: the file.
        obsm: what else is known of each cell, by name, N rows each.
        layers: other expressions of all markers of ``adata``, by name, of the shape of X.
        keep: columns that stay even if an earlier annotation has added them.

    Cells that are still on disk are copied within HDF5, so X is never loaded.
    """
    import h5py
    from anndata.io import write_elem

    earlier = columns.earlier_columns(
        map(str, adata.obs), annotation.key, columns.members_of(adata.uns)
    )
    obs = _writable(adata.obs.drop(columns=[name for name in earlier if name not in keep]))
    for name, column in annotation.obs().items():
        obs[name] = column.array
    with (
        atomic_path(path) as temporary,
        writing_hdf5(path),
        h5py.File(temporary, "w") as target,
    ):
        if adata.isbacked:
            _copy_all_but(adata.filename, target, leave_out=("obs", "var"))
            write_elem(target, "var", adata.var)
        else:
            _write_in_memory(adata, target)
        write_elem(target, "obs", obs)
        columns.drop_earlier_parts(target)
        for name, values in {**annotation.obsm(), **(obsm or {})}.items():
            write_elem(target["obsm"], name, values)
        for name, values in (layers or {}).items():
            write_elem(target["layers"], name, values)
        for name, value in annotation.uns().items():
            write_elem(target["uns"], name, value)


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

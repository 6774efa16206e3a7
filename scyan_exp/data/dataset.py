"""Data sets by kind: where cells come from, and what their columns mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.data.preprocess import Transform

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """What every data set says of its cells; subclasses say where they come from.

    Attributes:
        label_key: column of ``obs`` with the true populations, for the metrics only.
        batch_key: column of ``obs`` with the batch; it becomes a categorical covariate.
        categorical_covariates: columns of ``obs`` that enter the model one-hot.
        continuous_covariates: columns of ``obs`` that enter the model as numbers.
        transform: ``none`` (already transformed) or ``asinh``.
        cofactor: divisor before arcsinh.
        scale: whether each marker is standardised.
        center: mean to 0 (True) or 0 to -1 (False); None chooses False for asinh.
        max_value: clip of the scaled expressions.
    """

    label_key: str | None = None
    batch_key: str | None = None
    categorical_covariates: Sequence[str] = ()
    continuous_covariates: Sequence[str] = ()
    transform: Transform = "none"
    cofactor: float = 5.0
    scale: bool = True
    center: bool | None = None
    max_value: float = 10.0

    @abstractmethod
    def read(self) -> AnnData:
        """The cells, as they stand at the source; X may stay on disk."""

    @property
    def all_categorical(self) -> list[str]:
        """Categorical covariates, the batch included."""
        keys = list(self.categorical_covariates)
        return keys if self.batch_key in (None, *keys) else [*keys, str(self.batch_key)]


@dataclass(frozen=True, kw_only=True)
class H5adDataset(Dataset):
    """Cells of an ``.h5ad`` file.

    Attributes:
        path: the file.
        subset: keep the cells whose ``obs`` columns have these values, such as
            ``{batch: Plate3}`` or ``{batch: [Plate3, Plate4]}``.
    """

    path: str | Path
    subset: Mapping[str, Any] | None = None

    def read(self) -> AnnData:
        """The cells; X stays on disk unless a subset was asked for."""
        from scyan_exp.data.sources import read_h5ad, select_cells

        return select_cells(read_h5ad(self.path), self.subset)


@dataclass(frozen=True, kw_only=True)
class PublicDataset(Dataset):
    """A data set that the reference publishes, downloaded when it is first used.

    Attributes:
        name: ``aml``, ``bmmc``, ``debarcoding`` or ``poised``.
        version: ``default``, or ``short`` (aml only).
        subset: as in :class:`H5adDataset`.
    """

    name: str
    version: str = "default"
    subset: Mapping[str, Any] | None = None

    def read(self) -> AnnData:
        """The cells; X stays on disk unless a subset was asked for."""
        from scyan_exp.data.public import fetch
        from scyan_exp.data.sources import read_h5ad, select_cells

        return select_cells(read_h5ad(fetch(f"{self.name}/{self.version}.h5ad")), self.subset)


@dataclass(frozen=True, kw_only=True)
class CsvDataset(Dataset):
    """Cells of a CSV file: a row a cell, a column a marker.

    Attributes:
        path: the file.
        obs_columns: columns that describe the cell (labels, batch) instead of a marker. The
            columns named by the keys above and columns of text are taken as such anyway.
        subset: as in :class:`H5adDataset`.
    """

    path: str | Path
    obs_columns: Sequence[str] = ()
    subset: Mapping[str, Any] | None = None

    def read(self) -> AnnData:
        """The cells, in memory."""
        from scyan_exp.data.sources import read_csv, select_cells

        keys = (self.label_key, self.batch_key, *self.categorical_covariates)
        named = [*self.obs_columns, *self.continuous_covariates, *(self.subset or ())]
        named += [key for key in keys if key is not None]
        return select_cells(read_csv(self.path, named), self.subset)


@dataclass(frozen=True, kw_only=True)
class SyntheticDataset(Dataset):
    """Cells drawn from the model's own generative process, with true labels.

    Attributes:
        n_cells: number of cells.
        seed: seed of the cells; the seed of a run does not change them.
        prior_std: standard deviation of the cell-specific term H in latent space.
        n_batches: number of batches, named in ``obs["batch"]``.
        batch_shift: standard deviation of each marker's shift between batches, in units of
            the marker's standard deviation.
    """

    n_cells: int = 100_000
    seed: int = 0
    prior_std: float = 0.4
    n_batches: int = 1
    batch_shift: float = 0.3

    def read(self) -> AnnData:
        """The cells, in memory."""
        from scyan_exp.data.synthetic import draw_cells

        return draw_cells(self.n_cells, self.seed, self.prior_std, self.n_batches, self.batch_shift)

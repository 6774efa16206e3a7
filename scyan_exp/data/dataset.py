"""Data formats: where cells come from, and the keys that each takes in a config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from scyan_exp.config.formats import DataFormat, data_format
from scyan_exp.config.types import Count, Fraction, Name, NotNegative, Seed

if TYPE_CHECKING:
    from anndata import AnnData


@data_format("scyan_exp.data.PublicDataset")
class PublicDataset(DataFormat):
    """A data set that the reference publishes, downloaded when it is first used.

    Attributes:
        name: ``aml``, ``bmmc``, ``debarcoding`` or ``poised``.
        version: ``default``, or ``short`` (aml only).
        subset: as in :class:`~scyan_exp.data.FilesDataset`.
    """

    name: Literal["aml", "bmmc", "debarcoding", "poised"]
    version: Name = "default"
    subset: dict[Name, Any] | None = None

    def read(self) -> AnnData:
        """The cells; X stays on disk unless a subset was asked for."""
        from scyan_exp.data.public import fetch
        from scyan_exp.data.sources import read_h5ad, select_cells

        return select_cells(read_h5ad(fetch(f"{self.name}/{self.version}.h5ad")), self.subset)


@data_format("scyan_exp.data.SyntheticDataset")
class SyntheticDataset(DataFormat):
    """Cells drawn from the model's own generative process, with true labels.

    Attributes:
        n_cells: number of cells.
        seed: seed of the cells; the seed of a run does not change them.
        prior_std: standard deviation of the cell-specific term H in latent space.
        n_batches: number of batches, named in ``obs["batch"]``.
        batch_shift: standard deviation of each marker's shift between batches, in units of
            the marker's standard deviation.
    """

    n_cells: Count = 100_000
    seed: Seed = 0
    prior_std: Fraction = 0.4
    n_batches: Count = 1
    batch_shift: NotNegative = 0.3

    def read(self) -> AnnData:
        """The cells, in memory."""
        from scyan_exp.data.synthetic import draw_cells

        return draw_cells(self.n_cells, self.seed, self.prior_std, self.n_batches, self.batch_shift)

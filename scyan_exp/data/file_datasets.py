"""Data formats of files: the keys that each takes in a config."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from scyan_exp.config.formats import DataFormat, data_format
from scyan_exp.config.types import Count, Name, Names, PathName
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from scyan_exp.data.file_kinds import FileKind

#: One path, or several.
Paths = PathName | Annotated[list[PathName], Field(min_length=1)]


class FilesDataset(DataFormat):
    """Cells of one file, or of many.

    Attributes:
        path: a file, a list of files, a folder, or a pattern such as ``samples/*.fcs``.
        metadata: a CSV with one row per file: its name, then columns for ``obs``.
        n_cells_per_file: draw this many cells from each file, always the same ones; None for all.
        subset: keep the cells whose ``obs`` columns have these values, such as
            ``{batch: Plate3}`` or ``{batch: [Plate3, Plate4]}``.
    """

    path: Paths
    metadata: PathName | None = None
    n_cells_per_file: Count | None = None
    subset: dict[Name, Any] | None = None

    @abstractmethod
    def _kind(self) -> FileKind:
        """How the files are read."""

    def _one(self, path: Path) -> AnnData | None:
        """The cells of a single file; None if it is read in the way of many files."""
        return None

    @property
    def _has_labels(self) -> bool:
        """Whether a file beside the cells describes each event."""
        return False

    def read(self) -> AnnData:
        """The cells, in memory; a single ``.h5ad`` file stays on disk without a subset."""
        return self._read(None)

    def read_for(self, markers: Sequence[str]) -> AnnData:
        """The cells with the markers of a table by its names, matched loosely.

        Raises:
            InputError: everything that is wrong with the files; markers that one of them lacks.
        """
        return self._read(list(markers))

    def sources(self) -> list[Path]:
        """Every file that the cells come from."""
        from scyan_exp.data.file_lists import find_files

        try:
            files = find_files(self.path, self._kind().suffixes)
        except InputError:  # reading the files tells it
            files = []
        return [*files, *([Path(self.metadata).expanduser()] if self.metadata else [])]

    def columns(self) -> list[str] | None:
        """What may become a column of ``obs``, by the head of the first file and the sheet."""
        from scyan_exp.data.file_lists import find_files
        from scyan_exp.data.joined import SAMPLE
        from scyan_exp.data.sample_sheet import read_header

        kind = self._kind()
        try:
            own = kind.names(find_files(self.path, kind.suffixes)[0])
            sheet = [] if self.metadata is None else read_header(self.metadata)
        except (InputError, OSError):  # reading the files tells it
            return None
        return list(dict.fromkeys([*own, *sheet, SAMPLE]))

    def _read(self, markers: list[str] | None) -> AnnData:
        from scyan_exp.data.file_kinds import other_formats
        from scyan_exp.data.file_lists import find_files, sample_names
        from scyan_exp.data.joining import read_files
        from scyan_exp.data.sample_sheet import read_sheet
        from scyan_exp.data.sources import select_cells

        kind = self._kind()
        files = find_files(self.path, kind.suffixes)
        if problems := other_formats(files, kind):
            raise InputError(problems)
        if len(files) > 1 and self._has_labels:
            raise InputError(
                f"dataset.labels: has one row per event of a single file, and there are "
                f"{len(files)} files: annotate them without, or name one file"
            )
        if len(files) == 1 and self.metadata is None and self.n_cells_per_file is None:
            alone = self._one(files[0])
            if alone is not None:
                return select_cells(_named(alone, markers, files[0]), self.subset)
        samples = sample_names(files)
        numbers = self.continuous_covariates
        sheet = (
            None if self.metadata is None else read_sheet(self.metadata, files, samples, numbers)
        )
        read = read_files(files, samples, kind, markers, self.n_cells_per_file, sheet)
        return select_cells(read, self.subset)


def _named(adata: AnnData, markers: Sequence[str] | None, path: Path) -> AnnData:
    """A single file with the table's names; a file that stays on disk keeps its own."""
    from scyan_exp.data.markers import renamed

    return adata if markers is None or adata.isbacked else renamed(adata, markers, str(path))


@data_format("scyan_exp.data.H5adDataset")
class H5adDataset(FilesDataset):
    """Cells of ``.h5ad`` files (``dataset=h5ad``).

    Attributes:
        layer: the layer with the expressions, ``raw`` for ``raw.X``; None for X.
    """

    layer: Name | None = None

    def _kind(self) -> FileKind:
        from scyan_exp.data.file_kinds import h5ad_files

        return h5ad_files(self.layer)

    def _one(self, path: Path) -> AnnData:
        from scyan_exp.data.sources import read_h5ad

        return read_h5ad(path, self.layer)


class ColumnsDataset(FilesDataset):
    """Cells of files with a row per cell and a column per marker.

    Attributes:
        obs_columns: columns that describe the cell (labels, batch) and are no marker. The columns
            that the keys above name, and columns of text, need not be listed.
    """

    obs_columns: Names = Field(default_factory=list)

    def _described(self) -> list[str]:
        """All columns that, by the config, are not markers."""
        keys = (self.label_key, self.batch_key, *self.categorical_covariates)
        named = [*self.obs_columns, *self.continuous_covariates, *(self.subset or ())]
        return [*named, *(key for key in keys if key is not None)]


@data_format("scyan_exp.data.CsvDataset")
class CsvDataset(ColumnsDataset):
    """Cells of CSV files (``dataset=csv``)."""

    def _kind(self) -> FileKind:
        from scyan_exp.data.file_kinds import csv_files

        return csv_files(self._described())

    def _one(self, path: Path) -> AnnData:
        from scyan_exp.data.tabular import read_csv

        return read_csv(path, self._described())


@data_format("scyan_exp.data.ParquetDataset")
class ParquetDataset(ColumnsDataset):
    """Cells of Parquet files (``dataset=parquet``)."""

    def _kind(self) -> FileKind:
        from scyan_exp.data.file_kinds import parquet_files

        return parquet_files(self._described())

    def _one(self, path: Path) -> AnnData:
        from scyan_exp.data.tabular import read_parquet

        return read_parquet(path, self._described())


@data_format("scyan_exp.data.FcsDataset")
class FcsDataset(FilesDataset):
    """Cells of FCS files (``dataset=fcs``); channels that the table does not name go to ``obs``.

    Attributes:
        compensation: ``auto`` for the spillover matrix of each file, if it has one; False for
            none; or a CSV with a matrix.
        labels: for a single file: a CSV with one row per event, whose columns go to ``obs``.
    """

    compensation: Literal[False] | PathName = "auto"
    labels: PathName | None = None

    def _kind(self) -> FileKind:
        from scyan_exp.data.file_kinds import fcs_files

        return fcs_files(self.compensation, self.labels, self.continuous_covariates)

    @property
    def _has_labels(self) -> bool:
        return self.labels is not None

    def sources(self) -> list[Path]:
        """Every file that the cells come from, the matrix and the labels included."""
        named = [self.labels, None if self.compensation in ("auto", False) else self.compensation]
        return [*super().sources(), *(Path(one).expanduser() for one in named if one)]

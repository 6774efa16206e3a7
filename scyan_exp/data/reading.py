"""One file of cells, of any format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.data.fcs import Compensation, read_fcs
from scyan_exp.data.file_kinds import CSV, FCS, H5AD, PARQUET
from scyan_exp.data.sources import existing_file, read_h5ad
from scyan_exp.data.tabular import read_csv, read_parquet
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


def read_cells(
    path: str | Path, *, compensation: Compensation = "auto", obs_columns: Sequence[str] = ()
) -> AnnData:
    """Read a file of cells: ``.h5ad`` (X stays on disk), ``.fcs``, ``.csv``, ``.parquet``.

    Args:
        path: the file.
        compensation: of FCS files, see :func:`~scyan_exp.data.fcs.read_fcs`.
        obs_columns: columns of numbers that describe the cell, in CSV and Parquet.

    Raises:
        InputError: there is no such file, or it cannot be read as what its name says.
    """
    suffix = Path(path).suffix.lower()
    if suffix in FCS:
        return read_fcs(path, compensation)
    if suffix in CSV:
        return read_csv(path, obs_columns)
    if suffix in PARQUET:
        return read_parquet(path, obs_columns)
    if suffix in H5AD:
        return read_h5ad(path)
    known = ", ".join([*H5AD, *FCS, *CSV, *PARQUET])
    existing_file(path, "a file of cells")
    raise InputError(f"what is in it? Its name should end in one of {known}", where=str(path))


def dataset_of(path: str | Path) -> str:
    """The option of ``dataset`` that reads a file, a folder or a pattern; ``h5ad`` if in doubt."""
    path = Path(path).expanduser()
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    kinds = {"fcs": FCS, "csv": CSV, "parquet": PARQUET, "h5ad": H5AD}
    found = (
        kind for kind, suffixes in kinds.items() for one in inside if one.suffix.lower() in suffixes
    )
    return next(found, "h5ad")

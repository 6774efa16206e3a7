"""One file of cells, of any format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.data.fcs import Compensation, read_fcs
from scyan_exp.data.file_kinds import CSV, FCS, FORMATS, H5AD, PARQUET
from scyan_exp.data.file_lists import find_files
from scyan_exp.data.sources import existing_file, read_h5ad
from scyan_exp.data.tabular import read_csv, read_parquet
from scyan_exp.errors import InputError, listed

if TYPE_CHECKING:
    from anndata import AnnData


def read_cells(
    path: str | Path,
    *,
    compensation: Compensation = "auto",
    obs_columns: Sequence[str] = (),
    layer: str | None = None,
) -> AnnData:
    """Read a file of cells: ``.h5ad`` (X stays on disk), ``.fcs``, ``.csv``, ``.parquet``.

    Args:
        path: the file.
        compensation: for FCS files, see :func:`~scyan_exp.data.fcs.read_fcs`.
        obs_columns: in CSV and Parquet, columns of numbers that describe the cell.
        layer: for ``.h5ad`` files, the layer with the expressions; None for X.

    Raises:
        InputError: there is no such file, or it is not what its suffix says.
    """
    suffix = Path(path).suffix.lower()
    if suffix in FCS:
        return read_fcs(path, compensation)
    if suffix in CSV:
        return read_csv(path, obs_columns)
    if suffix in PARQUET:
        return read_parquet(path, obs_columns)
    if suffix in H5AD:
        return read_h5ad(path, layer)
    known = ", ".join([*H5AD, *FCS, *CSV, *PARQUET])
    existing_file(path, "a file of cells")
    raise InputError(
        f"its name does not say what kind of file it is: expected one that ends in {known}",
        where=str(path),
    )


def dataset_of(path: str | Path) -> str:
    """The option of ``dataset`` that reads a file, a folder or a pattern.

    CSV comes last: beside files of another format, a CSV describes these.

    Raises:
        InputError: the path names no file of a known format.
    """
    known = [suffix for suffixes in FORMATS.values() for suffix in suffixes]
    suffixes_there = {one.suffix.lower() for one in find_files(str(path), known)}
    for kind, suffixes in FORMATS.items():
        if suffixes_there & {*suffixes}:
            return kind
    found = f"found {listed(sorted(suffixes_there))}"
    raise InputError(f"expected files that end in {' or '.join(known)}, {found}", where=str(path))

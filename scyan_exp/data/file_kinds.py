"""How a file of each format is inspected, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scyan_exp.data.fcs import Compensation, chosen_spillover, describe_channels, load_fcs
from scyan_exp.data.fcs_head import read_head
from scyan_exp.data.h5ad_blocks import H5adBlocks
from scyan_exp.data.layers import layers_of, no_x
from scyan_exp.data.markers import obs_name
from scyan_exp.data.sample_sheet import read_header, read_labels
from scyan_exp.data.sources import existing_file, read_h5ad
from scyan_exp.data.tabular import csv_header, parquet_head, read_csv, read_parquet
from scyan_exp.errors import InputError, listed

if TYPE_CHECKING:
    from anndata import AnnData

#: Formats by the suffixes of files.
CSV = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
FCS = (".fcs", ".lmd")
H5AD = (".h5ad",)

#: The option of ``dataset`` for each format. CSV is last: beside other files, a CSV describes them.
FORMATS = {"fcs": FCS, "parquet": PARQUET, "h5ad": H5AD, "csv": CSV}

#: The rows wanted from a file with a given number of rows; None for all.
Draw = Callable[[int], "np.ndarray | None"]


class Peek(NamedTuple):
    """What is seen of a file without reading its cells.

    Attributes:
        n_rows: the number of its cells, or a few more.
        columns: the names by which each column is known, the best first.
        compensation: the kind of compensation that it will get; empty for formats without one.
    """

    n_rows: int
    columns: list[list[str]]
    compensation: str = ""


@dataclass(frozen=True)
class Part:
    """The cells of one file, before they join those of others.

    Attributes:
        x: (N, C) numbers; the ``AnnData`` of a file that stays on disk.
        var: a row per column of ``x``.
        obs: a row per cell.
        compensation: how they were compensated; empty for formats without compensation.
    """

    x: np.ndarray | AnnData
    var: pd.DataFrame
    obs: pd.DataFrame
    compensation: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, adata: AnnData) -> Part:
        """The part that holds these cells."""
        x = adata.X if isinstance(adata.X, np.ndarray) else adata
        return cls(x, adata.var, adata.obs.reset_index(drop=True))


@dataclass(frozen=True)
class FileKind:
    """A format.

    Attributes:
        suffixes: the suffixes of its files.
        peek: looks at a file without reading its numbers.
        names: what may become a column of ``obs``, by the head of a file.
        read: reads the cells, into memory or on disk.
        only_markers: whether columns that are not markers of the table go to ``obs``.
    """

    suffixes: tuple[str, ...]
    peek: Callable[[Path], Peek]
    names: Callable[[Path], list[str]]
    read: Callable[[Path, Draw], Part]
    only_markers: bool = False


def other_formats(files: Sequence[Path], kind: FileKind) -> list[str]:
    """Files whose names show that they are of another format."""
    return [
        f"{file}: expected a file that ends in {' or '.join(kind.suffixes)}; for this one set "
        f"dataset={name}"
        for file in files
        for name, suffixes in FORMATS.items()
        if file.suffix.lower() in suffixes and suffixes != kind.suffixes
    ]


def fcs_files(
    compensation: Compensation, labels: str | None = None, numbers: Sequence[str] = ()
) -> FileKind:
    """FCS files; ``labels`` is a CSV with one row per event, with ``numbers`` in some columns."""

    def peek(path: Path) -> Peek:
        head = read_head(path)
        described = describe_channels(head)
        names = zip(described.index, described["label"], described["channel"], strict=True)
        _, done = chosen_spillover(head, compensation)
        return Peek(head.n_events, [list(dict.fromkeys(one)) for one in names], done["kind"])

    def names(path: Path) -> list[str]:
        own = [obs_name(name) for name in describe_channels(read_head(path)).index]
        return own if labels is None else [*own, *read_header(labels)]

    def read(path: Path, draw: Draw) -> Part:
        head = read_head(path)
        rows = draw(head.n_events)
        events_NC, var, done = load_fcs(head, compensation, rows)
        obs = pd.DataFrame(index=range(len(events_NC)))
        if labels is not None:
            frame = read_labels(labels, head.n_events, numbers)
            obs = (frame if rows is None else frame.iloc[rows]).reset_index(drop=True)
        return Part(events_NC, var, obs, done)

    return FileKind(FCS, peek, names, read, only_markers=True)


def csv_files(obs_columns: Sequence[str]) -> FileKind:
    """CSV files; ``obs_columns`` are not markers."""

    def peek(path: Path) -> Peek:
        existing_file(path, "a CSV file of cells")
        with path.open("rb") as file:
            blocks = iter(lambda: file.read(2**20), b"")
            n_lines = 1 + sum(block.count(b"\n") + block.count(b"\r") for block in blocks)
        # A column without a name is the index that pandas writes.
        header = [name for name in csv_header(path) if name and name not in obs_columns]
        return Peek(n_lines, [[name] for name in header])

    def read(path: Path, draw: Draw) -> Part:
        return _drawn(read_csv(path, obs_columns), draw)

    return FileKind(CSV, peek, csv_header, read)


def parquet_files(obs_columns: Sequence[str]) -> FileKind:
    """Parquet files; ``obs_columns`` are not markers."""

    def peek(path: Path) -> Peek:
        n_rows, names = parquet_head(path)
        return Peek(n_rows, [[name] for name in names if name not in obs_columns])

    def read(path: Path, draw: Draw) -> Part:
        return _drawn(read_parquet(path, obs_columns), draw)

    return FileKind(PARQUET, peek, lambda path: parquet_head(path)[1], read)


def h5ad_files(layer: str | None = None) -> FileKind:
    """``.h5ad`` files; ``layer`` holds the expressions; None for X."""

    def peek(path: Path) -> Peek:
        with H5adBlocks(path, layer) as blocks:
            if not blocks.has_expressions:
                raise InputError(no_x(layers_of(blocks.file)), where=str(path))
            names = blocks.names
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise InputError(
                    f"markers that occur twice: {listed(repeated)}: rename or drop all but one",
                    where=str(path),
                )
            return Peek(blocks.n_cells, [[name] for name in names])

    def names(path: Path) -> list[str]:
        with H5adBlocks(path) as blocks:
            return blocks.columns

    def read(path: Path, draw: Draw) -> Part:
        adata = read_h5ad(path, layer)
        try:
            return _drawn(adata, draw)
        except (OSError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"the cells cannot be read ({error})", where=str(path)) from error

    return FileKind(H5AD, peek, names, read)


def _drawn(adata: AnnData, draw: Draw) -> Part:
    rows = draw(adata.n_obs)
    if rows is None:
        return Part.of(adata)
    return Part.of(adata[rows].to_memory() if adata.isbacked else adata[rows].copy())

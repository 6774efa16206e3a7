"""``scyan-exp check``: what is doubtful about a table and its cells, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.cli.command import Command, exit_code, refuse, set_environment
from scyan_exp.config.overrides import as_override

if TYPE_CHECKING:
    import numpy as np

    from scyan_exp.data.cells import Cells
    from scyan_exp.data.table import KnowledgeTable

USAGE = "usage: scyan-exp check TABLE [CELLS] [KEY=VALUE ...]"


def check(arguments: list[str]) -> int:
    """Check a table, and cells against it: ``check TABLE [CELLS] [key=value ...]``."""
    set_environment()
    paths = [one for one in arguments if "=" not in one]
    if not 1 <= len(paths) <= 2 or paths[0].startswith("-"):
        return refuse(USAGE)
    overrides = [one for one in arguments if "=" in one]
    return exit_code(lambda: _check(*map(Path, paths), overrides=overrides))


def _check(table_path: Path, cells_path: Path | None = None, *, overrides: list[str]) -> None:
    from scyan_exp.data.table import load_table
    from scyan_exp.data.table_doubts import table_doubts, table_remarks

    table = load_table(table_path)
    doubts: list[str] = []
    remarks: list[str] = []
    if cells_path is not None:
        table, doubts, remarks = _of_cells(table_path, cells_path, overrides)
    print(f"{table_path}: {len(table.populations)} populations, {len(table.markers)} markers")
    doubts, remarks = [*table_doubts(table), *doubts], [*table_remarks(table), *remarks]
    for word, texts in (("wrong?", doubts), ("look:", remarks)):
        for text in texts:
            print(f"{word:<7} {text}")
    if not doubts:
        print("Nothing was found that would mislead a training.")


def _of_cells(
    table_path: Path, cells_path: Path, overrides: list[str]
) -> tuple[KnowledgeTable, list[str], list[str]]:
    """The table with the changes of the overrides, doubts and remarks."""
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.data.cells_doubts import (
        cells_doubts,
        cells_remarks,
        label_doubts,
        unused_markers,
    )
    from scyan_exp.data.raw_doubts import raw_doubts
    from scyan_exp.data.reading import dataset_of
    from scyan_exp.run.cells import load_cells

    named = [f"dataset={dataset_of(cells_path)}", as_override("dataset.path", str(cells_path))]
    named += [as_override("table.path", str(table_path))]
    config = check_config(compose_config([*named, *overrides]))
    cells = load_cells(config)
    try:
        print(f"{cells_path}: {len(cells):,} cells")
        labels = [] if cells.labels is None else list(cells.labels.dropna().unique())
        raw = raw_doubts(cells, config.dataset)
        if raw:  # what else they say would be of the missing transform
            return cells.table, [*raw, *label_doubts(cells.table, labels)], []
        x_NM = cells.x.numpy()
        remarks = [*cells_remarks(cells.table, x_NM), *unused_markers(*_not_in_the_table(cells))]
        return cells.table, cells_doubts(cells.table, x_NM, labels), remarks
    finally:
        cells.close()


def _not_in_the_table(cells: Cells) -> tuple[list[str], np.ndarray]:
    """The markers that the table leaves out, and their transformed expressions (N, K)."""
    import numpy as np

    from scyan_exp.data.fcs import is_other_channel
    from scyan_exp.data.preprocess import Preprocessing
    from scyan_exp.data.sources import read_expressions

    names = [one for one in cells.adata.var_names if one not in cells.table.markers]
    channels = [name for name in cells.adata.obs if is_other_channel(cells.adata.obs[name])]
    raw_NK = np.hstack(
        [read_expressions(cells.adata, names), cells.adata.obs[channels].to_numpy(np.float32)]
    )
    names += channels
    is_whole_K = np.isfinite(raw_NK).all(axis=0)
    names = [name for name, is_whole in zip(names, is_whole_K, strict=True) if is_whole]
    raw_NK = raw_NK[:, is_whole_K]
    if not names:
        return names, raw_NK
    how = cells.preprocessing  # whose numbers are those of the table's markers
    cofactor = float(np.median(how.cofactor))
    return names, Preprocessing.fit_apply(
        raw_NK, transform=how.transform, cofactor=cofactor, scale=False
    )[1]


COMMAND = Command(
    "check",
    "what is doubtful about a knowledge table, and about cells with it, before a training",
    check,
    (("check table.csv cells.h5ad", "mistakes in the table, in view of the cells"),),
    usage=USAGE,
    options={
        "TABLE": "the knowledge table, a CSV",
        "CELLS": "a file with cells, against which the table is checked too",
        "KEY=VALUE": "settings of dataset and table, as train takes them",
    },
)

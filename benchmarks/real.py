"""The real cells, where ``SCYAN_EXP_DATA`` names their folder."""

from __future__ import annotations

import os
from pathlib import Path

import anndata


def data_folder() -> Path | None:
    """The folder; None, and a line that says so, without it."""
    data = os.environ.get("SCYAN_EXP_DATA")
    if not data:
        print("SCYAN_EXP_DATA is not set: what needs real cells is left out")
        return None
    return Path(data)


def himc(data: Path) -> list[str]:
    """Overrides for the HIMC cells of Plate3."""
    return [
        "dataset=h5ad",
        f"dataset.path={data / 'himc' / 'himc.h5ad'}",
        "dataset.subset={batch:Plate3}",
        f"table.path={data / 'himc' / 'table.csv'}",
        "dataset.label_key=cell_type",
    ]


def spleen(data: Path, folder: Path, *, transformed: bool = True) -> list[str]:
    """Overrides for the mouse spleen: all events, compensated; scored on the gates.

    Transformed by logicle before, or by ``asinh`` in the run.
    """
    from tests.data.spleen import read_spleen

    path = folder / f"spleen_{transformed}.h5ad"
    read_spleen(data / "mouse_spleen", transformed=transformed).write_h5ad(path)
    transform = [] if transformed else ["dataset.transform=asinh", "dataset.cofactor=150"]
    return [
        *transform,
        "dataset=h5ad",
        f"dataset.path={path}",
        f"table.path={data / 'mouse_spleen' / 'table.csv'}",
        "dataset.label_key=cell_type",
    ]


def real(
    data: Path, name: str, folder: Path | None = None, every: int = 1, cells: str = "cells.h5ad"
) -> list[str]:
    """Overrides for the cells of a folder that has a table; of many cells every n-th."""
    path = data / name / cells
    if folder is not None and every > 1:
        adata = anndata.read_h5ad(path)[::every].copy()
        path = folder / f"{name}.h5ad"
        adata.write_h5ad(path)
    return [
        "dataset=h5ad",
        f"dataset.path={path}",
        f"table.path={data / name / 'table.csv'}",
        "dataset.label_key=cell_type",
    ]

"""Where an ``.h5ad`` file holds its expressions: in X, in a layer, or in the X of ``raw``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from scyan_exp.errors import InputError, absent, listed

#: The name for the X of ``raw``, unless a layer is called so.
RAW = "raw"


def layers_of(file: h5py.File) -> list[str]:
    """The names of all layers, and ``raw`` if there is one."""
    own = list(file["layers"]) if isinstance(file.get("layers"), h5py.Group) else []
    has_raw = isinstance(file.get(RAW), h5py.Group) and "X" in file[RAW]
    return [*own, RAW] if has_raw and RAW not in own else own


def find_layer(file: h5py.File, layer: str, path: Path) -> tuple[Any, h5py.Group]:
    """The expressions of a layer, and the names of its columns (a group as ``var``).

    Raises:
        InputError: there is no such layer.
    """
    names = layers_of(file)
    said = "dataset.layer: the cells have no layer {}."
    if problems := absent([layer], names, said, "They have"):
        raise InputError(problems, where=str(path))
    if layer == RAW and layer not in file.get("layers", {}):
        return file[RAW]["X"], file[RAW]["var"]
    return file["layers"][layer], file["var"]


def no_x(names: list[str]) -> str:
    """The message for cells without X, given the layers that they have."""
    said = "the cells have no expressions: X is missing"
    if not names:
        return said
    return f"{said}. They have the layers {listed(names)}: set dataset.layer={names[0]}"

"""Transforms of raw expressions: a file each, and the one that chooses by the cells."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

#: What a model can have done with raw expressions; ``auto`` of a config ends as one of these.
Transform = Literal["none", "asinh", "logicle"]


class Invertible(Protocol):
    """A strictly increasing function of each marker."""

    def apply_to(self, x_NM: np.ndarray) -> None:
        """Transform raw expressions (N, M) where they stand."""

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Transformed expressions (N, M) back to raw units, a new array of their type."""

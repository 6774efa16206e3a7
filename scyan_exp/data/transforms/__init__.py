"""Transforms of raw expressions, a file each, and the choice among them by the cells."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

#: The transforms that a model can have; ``auto`` in a config becomes one of these.
Transform = Literal["none", "asinh", "logicle"]


class Invertible(Protocol):
    """A strictly increasing function of each marker."""

    def apply_to(self, x_NM: np.ndarray) -> None:
        """Transform raw expressions (N, M) in place."""

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Transformed expressions (N, M) back to raw units, a new array of their type."""

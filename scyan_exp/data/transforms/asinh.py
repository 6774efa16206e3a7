"""The inverse hyperbolic sine, with one cofactor for all markers or one for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scyan_exp.errors import listed, near_matches

#: In a mapping of cofactors, the key for all markers that it does not name.
DEFAULT = "default"


@dataclass(frozen=True)
class Asinh:
    """``arcsinh(x / cofactor)``: linear near 0, logarithmic beyond the cofactor.

    Attributes:
        cofactor: a positive number, or M of them.
    """

    cofactor: float | list[float]

    def apply_to(self, x_NM: np.ndarray) -> None:
        """Transform raw expressions (N, M) in place."""
        x_NM /= np.asarray(self.cofactor, x_NM.dtype)
        np.arcsinh(x_NM, out=x_NM)

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Transformed expressions (N, M) back to raw units, a new array of their type."""
        raw_NM = np.sinh(x_NM)
        raw_NM *= np.asarray(self.cofactor, raw_NM.dtype)
        return raw_NM


def cofactor_of_each(
    cofactor: float | Mapping[str, float], markers: Sequence[str]
) -> float | list[float]:
    """One cofactor for all markers, or one for each in their order, from the config's value.

    Args:
        cofactor: a number, or numbers by marker; markers that are not named get that of
            ``default``. :func:`cofactor_problems` finds none in it.
        markers: M names.
    """
    if not isinstance(cofactor, Mapping):
        return cofactor
    return [float(cofactor[name if name in cofactor else DEFAULT]) for name in markers]


def cofactor_problems(cofactor: float | Mapping[str, float], markers: Sequence[str]) -> list[str]:
    """Markers with a cofactor that the table lacks, and markers of the table without one."""
    if not isinstance(cofactor, Mapping):
        return []
    problems = [
        f"dataset.cofactor: the table has no marker {name!r}.{near_matches(name, markers)} "
        f"It has: {listed(markers, limit=60)}"
        for name in cofactor
        if name not in markers and name != DEFAULT
    ]
    bare = [name for name in markers if name not in cofactor]
    if bare and DEFAULT not in cofactor:
        problems.append(
            f"dataset.cofactor: no cofactor for {listed(bare)}: name them too, or say what all "
            "others have, such as {" + f"{DEFAULT}: 150" + "}"
        )
    return problems

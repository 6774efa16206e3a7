"""The logicle scale of flow cytometry, with parameters measured on each marker.

Parks, Roederer and Moore, Cytometry A 69:541 (2006); Moore and Parks, Cytometry A 81:273 (2012).
Computed by FlowUtils.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Decades of the whole scale (M), and of negatives beyond those that W shows (A): the usual ones.
DECADES, NEGATIVE_DECADES = 4.5, 0.0
#: The quantile of the negative values that the linear part must show (Parks et al.).
LOW = 0.05
#: Of fewer negative values the quantile says nothing.
FEWEST_NEGATIVES = 20
#: Decades of the linear part (W): at least FlowUtils' own default, at most half of the scale.
LEAST_WIDTH, LARGEST_WIDTH = 0.5, DECADES / 2


@dataclass(frozen=True)
class Logicle:
    """Linear around 0 and logarithmic beyond, for negative values as well.

    The top T of the scale becomes 1. Values outside of it are not clipped.

    Attributes:
        constants: M times T (top of the scale, in raw units), W (decades of the linear part),
            M (decades in all), A (further negative decades).
    """

    constants: list[list[float]]

    @classmethod
    def fit(cls, x_NM: np.ndarray) -> Logicle:
        """Measure the constants of each marker on raw expressions (N, M)."""
        return cls([_constants(x_N) for x_N in x_NM.T])

    def apply_to(self, x_NM: np.ndarray) -> None:
        """Transform raw expressions (N, M) where they stand."""
        from flowutils.transforms import logicle  # type: ignore[import-untyped]

        for m, (top, width, decades, negative) in enumerate(self.constants):
            x_NM[:, m] = logicle(x_NM[:, m], None, t=top, w=width, m=decades, a=negative)

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Transformed expressions (N, M) back to raw units, a new array of their type."""
        from flowutils.transforms import logicle_inverse

        raw_NM = np.empty(x_NM.shape, np.result_type(x_NM, np.float32))
        for m, (top, width, decades, negative) in enumerate(self.constants):
            raw_NM[:, m] = logicle_inverse(x_NM[:, m], None, t=top, w=width, m=decades, a=negative)
        return raw_NM


def _constants(x_N: np.ndarray) -> list[float]:
    """T, W, M and A of one marker."""
    top = float(x_N.max())
    if top <= 0:
        top = float(np.abs(x_N).max()) or 1.0
    return [top, _width(x_N, top), DECADES, NEGATIVE_DECADES]


def _width(x_N: np.ndarray, top: float) -> float:
    """W: as many decades as show the low values on a linear scale.

    The low values are the 5% quantile of the negatives; without negatives, of all cells.
    """
    negative = x_N[x_N < 0]
    low = abs(float(np.quantile(negative if len(negative) >= FEWEST_NEGATIVES else x_N, LOW)))
    if low == 0:
        return LEAST_WIDTH
    width = (DECADES - float(np.log10(top / low))) / 2
    return float(np.clip(width, LEAST_WIDTH, LARGEST_WIDTH))

"""The logicle scale of flow cytometry, with parameters measured on each marker.

Parks, Roederer and Moore, Cytometry A 69:541 (2006); Moore and Parks, Cytometry A 81:273 (2012).
FlowUtils computes it. The way back to raw units is direct; from raw units, a table of its values is
used, which is ten times as fast, and as exact as 32-bit numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

#: The usual decades of the whole scale (M), and of negative values beyond those in W (A).
DECADES, NEGATIVE_DECADES = 4.5, 0.0
#: The linear part must reach down to this quantile of the negative values (Parks et al.).
LOW = 0.05
#: With fewer negative values than this, their quantile means little.
FEWEST_NEGATIVES = 20
#: Decades of the linear part (W): at least FlowUtils' default, at most half of the scale.
LEAST_WIDTH, LARGEST_WIDTH = 0.5, DECADES / 2
#: Steps of a table, how many of them FlowUtils computes, and the table's largest value, in
#: multiples of the top of the scale.
STEPS, COMPUTED, LARGEST = 2**16, 2**12, 1e3
#: Values looked up at a time, few enough to stay in the processor's cache.
BLOCK = 2**14


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
        """Transform raw expressions (N, M) in place."""
        tables = [_Table.of(*constants) for constants in self.constants]
        for start in range(0, len(x_NM), BLOCK):
            block_BM = x_NM[start : start + BLOCK]
            for m, table in enumerate(tables):
                block_BM[:, m] = table(block_BM[:, m])

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Transformed expressions (N, M) back to raw units, a new array of their type."""
        from flowutils.transforms import logicle_inverse  # type: ignore[import-untyped]

        raw_NM = np.empty(x_NM.shape, np.result_type(x_NM, np.float32))
        for m, (top, width, decades, negative) in enumerate(self.constants):
            raw_NM[:, m] = logicle_inverse(x_NM[:, m], None, t=top, w=width, m=decades, a=negative)
        return raw_NM


@dataclass(frozen=True)
class _Table:
    """The scale of one marker at equal steps of ``arcsinh(x / unit)``, linear between them.

    Attributes:
        constants: T, W, M and A.
        unit: about where the scale turns from linear to logarithmic, in raw units.
        end: ``arcsinh`` of the largest value; the table begins at its negative.
        values: the scale at the beginning of each step.
        rises: how much it rises within each step.
    """

    constants: tuple[float, float, float, float]
    unit: float
    end: float
    values: np.ndarray
    rises: np.ndarray

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, top: float, width: float, decades: float, negative: float) -> _Table:
        """The table for a marker's constants; equal constants give the same object."""
        unit = top * 10.0 ** (2 * width - decades)
        end = float(np.arcsinh(LARGEST * top / unit))
        from scipy.interpolate import CubicSpline  # type: ignore[import-untyped]

        constants = (top, width, decades, negative)
        some = np.linspace(-end, end, COMPUTED + 1)
        smooth = CubicSpline(some, _exactly(unit * np.sinh(some), constants))
        values = smooth(np.linspace(-end, end, STEPS + 1))
        return cls(constants, unit, end, values[:-1], np.diff(values))

    def __call__(self, x_N: np.ndarray) -> np.ndarray:
        """Raw values (N,) on the scale, float64."""
        place_N = np.arcsinh(x_N.astype(np.float64) / self.unit)
        place_N += self.end
        place_N *= STEPS / (2 * self.end)
        step_N = np.clip(place_N, 0, STEPS - 1).astype(np.int32)
        place_N -= step_N
        y_N = self.rises[step_N]
        y_N *= place_N
        y_N += self.values[step_N]
        outside_N = np.abs(place_N - 0.5) > 0.5
        if outside_N.any():
            y_N[outside_N] = _exactly(x_N[outside_N], self.constants)
        return y_N


def _exactly(x_N: np.ndarray, constants: tuple[float, float, float, float]) -> np.ndarray:
    """Raw values (N,) on the scale, float64, each computed by FlowUtils."""
    from flowutils.transforms import logicle

    top, width, decades, negative = constants
    y_N: np.ndarray = logicle(x_N, None, t=top, w=width, m=decades, a=negative)
    return y_N


def _constants(x_N: np.ndarray) -> list[float]:
    """T, W, M and A of one marker."""
    top = float(x_N.max())
    if top <= 0:
        top = float(np.abs(x_N).max()) or 1.0
    return [top, _width(x_N, top), DECADES, NEGATIVE_DECADES]


def _width(x_N: np.ndarray, top: float) -> float:
    """W: as many decades as put the low values on the linear part.

    The low values are the 5% quantile of the negative values or, without these, of all.
    """
    negative = x_N[x_N < 0]
    low = abs(float(np.quantile(negative if len(negative) >= FEWEST_NEGATIVES else x_N, LOW)))
    if low == 0:
        return LEAST_WIDTH
    width = (DECADES - float(np.log10(top / low))) / 2
    return float(np.clip(width, LEAST_WIDTH, LARGEST_WIDTH))

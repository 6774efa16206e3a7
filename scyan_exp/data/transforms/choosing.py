"""Choosing the transform that raw expressions need, by their values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scyan_exp.data.cells_doubts import some_cells
from scyan_exp.data.transforms import Transform

#: A marker counts ions if at least this share of the cells lies within one ion of 0. In mass
#: cytometry, half of the markers have 3% or more in every sample (multicenter; HIMC 45%); in flow
#: cytometry less than 1% (mouse spleen).
NEAR_ZERO = 0.02
#: Noise below 0 that ion counts may have, in ions; the median over the markers.
LEAST_IONS = -2.0
#: Transformed expressions stay below this: the binary logarithm of the largest intensities reaches
#: 22, asinh 14; at most 0.5% of standardised values can lie beyond 14 standard deviations.
LEAST_LINEAR = 30.0
#: A cell has fewer ions of a marker than this; a flow cytometer without negative values reaches
#: more.
MOST_IONS = 10_000.0
#: The widest scale that programs transform to has 4,096 steps.
WIDEST_SCALE = 4_096.0
#: A marker is on a linear scale if its upper tail is at least this many times its lower tail. Upper
#: quartile over the markers: mouse spleen 57; hipc_tcell, transformed to 4,096 steps, 1.7.
LONG_TAIL = 10.0
#: Quantiles that stand for the ends of a marker, without outliers.
LOW, HIGH = 0.005, 0.995
#: A sample is looked at by itself if it has at least this many cells; about how many of its cells
#: are looked at.
FEWEST, MOST_OF_SAMPLE = 200, 10_000
#: The marker looked at has this share of the markers below it: many may have no positive cells.
UPPER = 0.75


@dataclass(frozen=True)
class Choice:
    """A transform, and why it was chosen: a sentence with a number."""

    transform: Transform
    why: str


def choose_transform(x_NM: np.ndarray) -> Choice:
    """The transform that raw expressions (N, M) seem to need; N >= 1, all finite."""
    x_NM = some_cells(x_NM)
    low_M, high_M = np.quantile(x_NM, [LOW, HIGH], axis=0)
    reach = float(np.quantile(np.maximum(np.abs(low_M), np.abs(high_M)), UPPER))
    if reach < LEAST_LINEAR:
        below = f"three quarters of the markers stay below {reach:.2g}"
        return Choice("none", f"they look transformed: {below} (raw ones exceed {LEAST_LINEAR:g})")
    if reach <= MOST_IONS and are_counts(x_NM):
        share = f"{_share_near_zero(x_NM):.0%} of the cells have at most one ion"
        return Choice("asinh", f"they are counts of CyTOF: in half of the markers {share}")
    tail = _upper_by_lower_tail(x_NM, low_M, high_M)
    tails = f"high values lie {tail:.2g} times as far from the median as low ones"
    if reach <= WIDEST_SCALE and tail < LONG_TAIL:
        return Choice("none", f"they look transformed: {tails} (of raw ones {LONG_TAIL:g} times)")
    reaches = f"a quarter of the markers exceed {reach:,.0f}"
    return Choice("logicle", f"they are linear intensities of flow cytometry: {reaches}, {tails}")


def other_choices(x_NM: np.ndarray, sample_N: pd.Series, transform: Transform) -> dict[str, Choice]:
    """Samples that seem to need another transform than all cells together, by name.

    Args:
        x_NM: (N, M) raw expressions.
        sample_N: the sample of each cell; small samples are ignored.
        transform: that of all cells.
    """
    others = {}
    for sample, rows in sample_N.groupby(sample_N, observed=True).indices.items():
        if FEWEST <= len(rows) < len(x_NM):
            choice = choose_transform(x_NM[rows[:: 1 + len(rows) // MOST_OF_SAMPLE]])
            if choice.transform != transform:
                others[str(sample)] = choice
    return others


def are_counts(x_NM: np.ndarray) -> bool:
    """Whether raw expressions (N, M) are ion counts, as mass cytometry gives them.

    In mass cytometry negative cells lie at 0, with or without noise of about one ion. In flow
    cytometry they spread far around 0, or lie at the least value of a logarithmic amplifier, which
    is above 0.
    """
    least = float(np.median(np.quantile(x_NM, LOW, axis=0)))
    is_near = least >= LEAST_IONS and _share_near_zero(x_NM) >= NEAR_ZERO
    return is_near and not _is_piled_above_zero(x_NM)


def _is_piled_above_zero(x_NM: np.ndarray) -> bool:
    """Whether several cells share a least value above 0, in the median marker."""
    least_M = x_NM.min(axis=0)
    return bool(np.median(least_M) > 0 and np.median((x_NM == least_M).sum(axis=0)) > 1)


def _share_near_zero(x_NM: np.ndarray) -> float:
    """The share of cells within one ion of 0, in the median marker."""
    return float(np.median([np.mean(np.abs(x_N) <= 1) for x_N in x_NM.T]))


def _upper_by_lower_tail(x_NM: np.ndarray, low_M: np.ndarray, high_M: np.ndarray) -> float:
    """How many times farther the high values lie from the median than the low ones.

    On a linear scale, positive cells lie decades above negative ones; on a transformed scale, both
    tails are alike. If most cells share the lowest value, the median is that of the other cells.
    """
    middle_M = np.median(x_NM, axis=0)
    for m in np.flatnonzero(middle_M <= low_M):
        above = x_NM[x_NM[:, m] > low_M[m], m]
        middle_M[m] = np.median(above) if len(above) else low_M[m]
    lower_M, upper_M = middle_M - low_M, high_M - middle_M
    tail_M = np.divide(upper_M, lower_M, out=np.zeros_like(upper_M), where=lower_M > 0)
    return float(np.quantile(tail_M, UPPER))

"""Numbers as a page holds them: short, finite, and no more of them than an eye can tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

#: Significant digits of a curve, a share or a density. Objectives and metrics keep all of theirs.
DIGITS = 4


def rounded(value: float | None, digits: int = DIGITS) -> float | int | None:
    """A number with few significant digits; None for one that is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    if not math.isfinite(short):  # the largest numbers there are, rounded up
        return value
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def all_rounded(values: Iterable[float | None], digits: int = DIGITS) -> list[float | int | None]:
    """Numbers with few significant digits."""
    return [rounded(value, digits) for value in values]


def plain(value: Any) -> Any:
    """A value for JSON: numbers, text and lists of them; None for a number that is not finite."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value)


def thinned(n: int, most: int) -> Sequence[int]:
    """Indices of at most ``most`` of ``n`` points, evenly spaced; first and last among them.

    Example:
        >>> thinned(9, 3)
        [0, 4, 8]
    """
    if n <= most:
        return range(n)
    return [round(i * (n - 1) / (most - 1)) for i in range(most)]

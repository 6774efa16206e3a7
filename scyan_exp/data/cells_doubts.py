"""What looks wrong about a knowledge table once the cells are seen, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import listed

#: Number of cells looked at: more change nothing, and take time.
MOST_CELLS = 50_000
#: Bins of a histogram, and how much it is smoothed (in bins).
N_BINS, SMOOTHING = 100, 3.0
#: The valley between two modes reaches at most this share of the lower mode's height, and each mode
#: holds at least this share of the cells.
DEEPEST, FEWEST = 0.8, 0.005
#: Modes are clearly parted when the valley reaches at most this share of the lower mode's height.
CLEAR = 0.5
#: Share of the cells below which hardly any cell matches a row.
HARDLY_ANY = 0.0002
#: Share of the cells that match no row above which something is wrong: with right tables up to
#: 0.28 (mouse spleen) match none.
MOST_LOST = 0.5
#: With fewer cells than this, nothing is said about rows.
FEWEST_CELLS = 5000


@dataclass(frozen=True)
class Modes:
    """The two groups into which one marker parts the cells.

    Attributes:
        threshold: the expression between them.
        valley: density at the threshold, as a share of that of the lower mode; 0 is a clear gap.
        is_bulk_between: whether the largest mode lies between two others.
    """

    threshold: float
    valley: float
    is_bulk_between: bool


def find_modes(x_N: np.ndarray) -> Modes | None:
    """The two modes of a marker, parted where the smoothed histogram has its deepest valley.

    Args:
        x_N: (N,) expressions, transformed.

    Returns:
        The modes; None if there is only one.
    """
    low, high = np.quantile(x_N, [0.0005, 0.9995])
    if not high > low:
        return None
    count, edges = np.histogram(np.clip(x_N, low, high), N_BINS, (low, high))
    density = _smooth(count.astype(float))
    centers = (edges[1:] + edges[:-1]) / 2
    left, right = np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1]
    depth = np.divide(
        density, np.minimum(left, right), out=np.ones(N_BINS), where=np.minimum(left, right) > 0
    )
    below = np.cumsum(count) / len(x_N)
    depth[(below < FEWEST) | (below > 1 - FEWEST)] = 1.0
    at = int(depth.argmin())
    if depth[at] > DEEPEST:
        return None
    top = int(density.argmax())
    is_bulk_between = bool(depth[:top].min(initial=1) <= DEEPEST >= depth[top:].min())
    return Modes(float(centers[at]), float(depth[at]), is_bulk_between)


def cells_doubts(
    table: KnowledgeTable, x_NM: np.ndarray, labels: Sequence[str] | None = None
) -> list[str]:
    """What the cells contradict in a table.

    Args:
        table: P populations by M markers.
        x_NM: (N, M) expressions, transformed, in the order of the table's markers.
        labels: the labels that occur; None without labels.
    """
    x_NM = some_cells(x_NM)
    modes = [find_modes(x_N) for x_N in x_NM.T]
    return [*_rows_without_cells(table, x_NM, modes), *label_doubts(table, labels or ())]


def cells_remarks(table: KnowledgeTable, x_NM: np.ndarray) -> list[str]:
    """Markers by which + is hard to tell from -: that may be right, but is worth a look."""
    modes = [find_modes(x_N) for x_N in some_cells(x_NM).T]
    return [*_unimodal(table, modes), *_between(table, modes)]


def unused_markers(names: Sequence[str], x_NK: np.ndarray) -> list[str]:
    """Markers that the table leaves out and that clearly part the cells."""
    x_NK = some_cells(x_NK)
    found = [(name, find_modes(x_N)) for name, x_N in zip(names, x_NK.T, strict=True)]
    clear = [name for name, modes in found if modes is not None and modes.valley <= CLEAR]
    if not clear:
        return []
    return [f"markers with two clear modes are not in the table: {listed(clear, limit=30)}"]


def some_cells(x: np.ndarray, most: int = MOST_CELLS) -> np.ndarray:
    """As many cells as are looked at, always the same ones."""
    if len(x) <= most:
        return x
    return x[np.random.default_rng(0).choice(len(x), most, replace=False)]


def _smooth(count: np.ndarray) -> np.ndarray:
    """A histogram smoothed by a Gaussian, mirrored at its ends."""
    reach = int(4 * SMOOTHING)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    return np.convolve(np.pad(count, reach, "symmetric"), kernel / kernel.sum(), "valid")


def _unimodal(table: KnowledgeTable, modes: Sequence[Modes | None]) -> list[str]:
    """Markers that part populations in the table, but do not part the cells."""
    parting = [np.nanmin(column) < np.nanmax(column) for column in _known(table)]
    flat = [
        name
        for name, found, parts in zip(table.markers, modes, parting, strict=True)
        if found is None and parts
    ]
    if not flat:
        return []
    return [
        "no gap parts the cells that have these markers from those that have not: "
        f"{listed(flat, limit=30)}"
    ]


def _known(table: KnowledgeTable) -> list[np.ndarray]:
    return [column if not np.isnan(column).all() else np.zeros(1) for column in table.rho.T]


def _between(table: KnowledgeTable, modes: Sequence[Modes | None]) -> list[str]:
    """Markers of which most cells are neither clearly negative nor clearly positive."""
    return [
        f"marker {name!r}: most cells lie between a negative and a positive group; blank may be "
        "more honest than 1 or -1"
        for name, found in zip(table.markers, modes, strict=True)
        if found is not None and found.is_bulk_between
    ]


def matches(table: KnowledgeTable, x_NM: np.ndarray, modes: Sequence[Modes | None]) -> np.ndarray:
    """Which cells match which rows at every marker with two modes: booleans (N, P).

    An entry below 0 asks for a cell below the threshold, an entry above 0 for a cell above it; 0
    and blanks ask for nothing.
    """
    usable = [m for m, found in enumerate(modes) if found is not None]
    thresholds = np.array([found.threshold for found in modes if found is not None])
    positive = x_NM[:, usable] > thresholds
    rho = np.nan_to_num(table.rho[:, usable])
    wrong = positive.astype(float) @ (rho < 0).T + (~positive).astype(float) @ (rho > 0).T
    return np.asarray(wrong == 0)


def _rows_without_cells(
    table: KnowledgeTable, x_NM: np.ndarray, modes: Sequence[Modes | None]
) -> list[str]:
    if len(x_NM) < FEWEST_CELLS:
        return []
    fits = matches(table, x_NM, modes)
    doubts = [
        f"population {name!r}: hardly any cell matches its row ({share:.2%})"
        + _worst_entries(table, x_NM, modes, p)
        for p, (name, share) in enumerate(zip(table.populations, fits.mean(axis=0), strict=True))
        if share < HARDLY_ANY
    ]
    share = 1 - fits.any(axis=1).mean()
    if share > MOST_LOST:
        doubts.append(
            f"{share:.0%} of the cells match no row: is the transform right (dataset.transform, "
            "dataset.cofactor), or is a population missing?"
        )
    return doubts


def _worst_entries(
    table: KnowledgeTable, x_NM: np.ndarray, modes: Sequence[Modes | None], p: int
) -> str:
    """The entries of a row without which most cells would match it, as the end of a sentence."""
    gains = {}
    for m, name in enumerate(table.markers):
        if modes[m] is None or np.isnan(table.rho[p, m]):
            continue
        rho = table.rho[p : p + 1].copy()
        rho[0, m] = np.nan
        freed = KnowledgeTable([table.populations[p]], table.markers, rho)
        gains[name] = matches(freed, x_NM, modes).mean()
    most = max(gains.values(), default=0.0)
    if most < HARDLY_ANY:
        return ""
    names = [repr(name) for name, gain in gains.items() if gain > 0.8 * most]
    return f"; without its entry at {' or '.join(names)}, {most:.2%} would"


def label_doubts(table: KnowledgeTable, labels: Iterable[str]) -> list[str]:
    """Labels that equal a row except for case and blanks."""
    rows = {_plain(name): name for name in table.populations}
    return [
        f"label {label!r} is the row {rows[_plain(label)]!r} but for case or blanks: cells with it "
        "are not scored"
        for label in pd.unique(pd.Series(list(labels), dtype=object))
        if label not in table.populations and _plain(label) in rows
    ]


def _plain(name: str) -> str:
    return "".join(str(name).casefold().split())

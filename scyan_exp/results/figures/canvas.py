"""What figures are drawn on, their colours, and names that fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

#: Longer names of populations are cut in figures, in characters.
LONGEST_NAME = 40
#: Names up to this long fit without more room; each further character takes so many inches.
USUAL_NAME, INCHES = 20, 0.065
#: Larger tables are shown without the populations that have no cells.
MOST_ROWS = 60


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that leaves room for the figure: its beginning, if it is longer than so many."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def room(names: Iterable[str]) -> float:
    """Inches that long names beside or below a figure need more than usual ones."""
    longest = max((len(short(name)) for name in names), default=0)
    return INCHES * max(0, longest - USUAL_NAME)


def shown_rows(n_cells_P: np.ndarray) -> tuple[np.ndarray, str]:
    """The populations that a figure shows, and what it says of the others.

    Of a large table, populations without cells are left out: they would make a figure that fits
    on no screen, and hide the others.

    Args:
        n_cells_P: cells of each population.

    Returns:
        Indices of the populations, and words; empty where all are shown.
    """
    some = np.flatnonzero(n_cells_P)
    n_empty = len(n_cells_P) - len(some)
    if len(n_cells_P) <= MOST_ROWS or not n_empty or not len(some):
        return np.arange(len(n_cells_P)), ""
    return some, f"without {n_empty} populations that have no cells"


def titled(title: str, *more: str) -> str:
    """A title, with further words on lines of their own."""
    return "\n".join([title, *(words for words in more if words)])


def colors(n: int) -> list[Any]:
    """Colours that can be told from each other, as far as there are as many."""
    from matplotlib import colormaps

    if n <= 10:
        return [colormaps["tab10"](i) for i in range(n)]
    return [colormaps["turbo"](x) for x in np.linspace(0.02, 0.98, n)]


def canvas(width: float, height: float, columns: int = 1, rows: int = 1, **options: Any) -> Any:
    """A figure without pyplot: no global state, no display needed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, **options)
    for one in np.ravel(axes):
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes

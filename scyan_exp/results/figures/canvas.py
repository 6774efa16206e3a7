"""What figures are drawn on, their colours, and names that fit."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Longer names of populations are cut in figures, in characters.
LONGEST_NAME = 40


def short(name: str) -> str:
    """A name that leaves room for the figure."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


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

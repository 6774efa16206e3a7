"""The figure of ``scyan-exp compare``: where the cells of each population went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.report.changes import Changes
from scyan_exp.results.figures.canvas import canvas, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots an inch, as of the figures of a run, whose module would load torch.
DPI = 120
#: Share of a population's cells from which on the number is written.
SHOWN = 0.005


def changes_figure(changes: Changes, a: str, b: str) -> Figure:
    """Of the cells of each population in A, the share that each population has in B.

    Args:
        changes: the changes.
        a: what A is called.
        b: what B is called.
    """
    counts = changes.counts.loc[changes.counts.any(axis=1), changes.counts.any(axis=0)]
    shares = counts.to_numpy() / counts.to_numpy().sum(axis=1, keepdims=True)
    rows, columns = list(counts.index), list(counts.columns)
    figure, axes = canvas(3.4 + 0.36 * len(columns), 2.6 + 0.32 * len(rows))
    same = np.array([[row == column for column in columns] for row in rows])
    moved = np.ma.masked_where(same, 100 * shares)
    image = axes.imshow(moved, cmap="Oranges", vmin=0, vmax=max(5, moved.max() or 0), aspect="auto")
    axes.set_facecolor("0.92")  # cells that kept their population
    for i, j in zip(*np.nonzero(shares >= SHOWN), strict=True):
        dark = not same[i, j] and 100 * shares[i, j] > 0.6 * image.norm.vmax
        axes.text(
            j,
            i,
            f"{100 * shares[i, j]:.0f}",
            ha="center",
            va="center",
            fontsize=6.5,
            color="white" if dark else "0.45" if same[i, j] else "black",
        )
    totals = counts.to_numpy().sum(axis=1)
    names = [f"{short(name)} ({n:,})" for name, n in zip(rows, totals, strict=True)]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_xticks(
        range(len(columns)), [short(name) for name in columns], rotation=60, ha="right", fontsize=8
    )
    share = f"{changes.n_changed / changes.n_common:.1%}"
    moving = f"{changes.n_changed:,} of {changes.n_common:,} cells ({share})"
    axes.set(
        xlabel=f"B: {b}",
        ylabel=f"A: {a}",
        title=f"{moving} change population",
    )
    figure.colorbar(image, ax=axes, shrink=0.8, label="% of the cells of A's population that move")
    return figure

"""The figure of the cells in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.results.figures.canvas import canvas, colors, short
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scyan_exp.results.annotation import Annotation


@figure("umap")
def umap_figure(annotation: Annotation, umap: np.ndarray) -> Figure:
    """The cells that have a place, coloured by population; the largest populations come first."""
    populations = annotation.table.populations
    placed = np.isfinite(umap).all(axis=1)
    counts_P = np.bincount(annotation.codes[placed & (annotation.codes >= 0)], minlength=1)
    order = [p for p in np.argsort(-counts_P, kind="stable") if counts_P[p]]
    figure, axes = canvas(9.5, max(6.0, 0.2 * len(order) + 1))
    nowhere = umap[placed & (annotation.codes < 0)]
    axes.scatter(*nowhere.T, s=2, color="0.8", linewidths=0, rasterized=True)
    palette = colors(len(populations))
    handles = [
        axes.scatter(
            *umap[placed & (annotation.codes == p)].T, s=3, color=[palette[p]], linewidths=0
        )
        for p in order
    ]
    axes.set(xticks=[], yticks=[], title="UMAP of the model's inputs")
    axes.legend(
        handles,
        [short(populations[p]) for p in order],
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        fontsize=8,
        markerscale=4,
    )
    return figure

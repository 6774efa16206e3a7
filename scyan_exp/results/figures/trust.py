"""The figure of what can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.results.figures.canvas import canvas, short
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scyan_exp.results.annotation import Annotation
    from scyan_exp.results.signs import Signs


@figure("trust")
def trust_figure(annotation: Annotation, signs: Signs) -> Figure:
    """The table's signs, coloured by how many cells of each population are on that side.

    Entries that their cells contradict are framed. Grey: the marker does not part the cells in
    two groups, or the population has too few cells. Blank: not known.
    """
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    table = annotation.table
    n_pops, n_markers = table.rho.shape
    figure, axes = canvas(4.5 + 0.36 * n_markers, 2.4 + 0.28 * n_pops)
    said_PM = np.nan_to_num(table.rho)
    colors = colormaps["RdYlBu"].with_extremes(bad="0.9")
    image = axes.imshow(
        np.ma.masked_invalid(100 * signs.right), cmap=colors, vmin=0, vmax=100, aspect="auto"
    )
    for p, m in np.argwhere(np.isnan(table.rho)):
        axes.add_patch(Rectangle((m - 0.5, p - 0.5), 1, 1, color="white", linewidth=0))
    for p, m in np.argwhere(said_PM != 0):
        sign = "+" if said_PM[p, m] > 0 else "\N{MINUS SIGN}"
        is_dark = abs(signs.right[p, m] - 0.5) > 0.35
        axes.text(
            m, p, sign, ha="center", va="center", color="white" if is_dark else "black", fontsize=9
        )
    for p, m in np.argwhere(signs.contradictions):
        axes.add_patch(
            Rectangle((m - 0.45, p - 0.45), 0.9, 0.9, fill=False, edgecolor="black", linewidth=1.8)
        )
    rows = [
        f"{short(name)} ({n:,})" for name, n in zip(table.populations, signs.n_cells, strict=True)
    ]
    axes.set_xticks(range(n_markers), table.markers, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(n_pops), rows, fontsize=8)
    axes.set_title("What the table says (+, \N{MINUS SIGN}) and the cells do; framed: contradicted")
    figure.colorbar(image, ax=axes, shrink=0.8, label="cells on the side that the table says (%)")
    return figure

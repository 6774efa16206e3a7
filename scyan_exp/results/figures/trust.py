"""The figure of what can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.results.figures.canvas import canvas, room, short, shown_rows, titled
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scyan_exp.results.annotation import Annotation
    from scyan_exp.results.signs import Signs

#: Colours of entries without a share: not judged; judged by the mean of the cells alone.
NOT_JUDGED, BY_MEAN = "0.82", "#e6dcc0"
MINUS = "\N{MINUS SIGN}"


@figure("trust")
def trust_figure(annotation: Annotation, signs: Signs) -> Figure:
    """The table's signs, coloured by how many cells of each population are on that side.

    Entries that their cells contradict are framed. Only what the verdict judges has a colour.
    """
    from matplotlib import colormaps

    table = annotation.table
    rows, left_out = shown_rows(signs.n_cells)
    rho_PM, right_PM = table.rho[rows], np.where(signs.judged, signs.right, np.nan)[rows]
    names = [f"{short(table.populations[p])} ({signs.n_cells[p]:,})" for p in rows]
    markers = [short(name) for name in table.markers]
    figure, axes = canvas(
        max(4.5 + 0.36 * len(markers), 7.0) + room(table.populations),
        max(3.0 + 0.28 * len(rows), 4.5) + room(markers),
    )
    colors = colormaps["RdYlBu"].with_extremes(bad=NOT_JUDGED)
    image = axes.imshow(
        np.ma.masked_invalid(100 * right_PM), cmap=colors, vmin=0, vmax=100, aspect="auto"
    )
    by_mean_PM = signs.judged[rows] & np.isnan(right_PM)
    _paint(axes, np.isnan(rho_PM), "white")
    _paint(axes, by_mean_PM, BY_MEAN)
    for p, m in np.argwhere(np.nan_to_num(rho_PM) != 0):
        sign = "+" if rho_PM[p, m] > 0 else MINUS
        color = "white" if abs(right_PM[p, m] - 0.5) > 0.35 else "black"
        axes.text(m, p, sign, ha="center", va="center", color=color, fontsize=9)
    _frame(axes, signs.contradictions[rows])
    axes.set_xticks(range(len(markers)), markers, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title(titled(f"What the table says (+, {MINUS}) and the cells do", left_out))
    figure.colorbar(image, ax=axes, shrink=0.8, label="cells on the side of the table (%)")
    _explain(figure, is_by_mean=bool(by_mean_PM.any()))
    return figure


def _paint(axes: Axes, which_PM: np.ndarray, color: str) -> None:
    """Give tiles a colour of their own."""
    from matplotlib.patches import Rectangle

    for p, m in np.argwhere(which_PM):
        axes.add_patch(Rectangle((m - 0.5, p - 0.5), 1, 1, color=color, linewidth=0))


def _frame(axes: Axes, which_PM: np.ndarray) -> None:
    from matplotlib.patches import Rectangle

    for p, m in np.argwhere(which_PM):
        axes.add_patch(
            Rectangle((m - 0.45, p - 0.45), 0.9, 0.9, fill=False, edgecolor="black", linewidth=1.8)
        )


def _explain(figure: Figure, is_by_mean: bool) -> None:
    """What tiles without a colour of the scale mean."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor="white", edgecolor="black", linewidth=1.8, label="contradicted"),
        Patch(facecolor="white", edgecolor="0.8", label="blank in the table"),
        Patch(
            color=NOT_JUDGED,
            label="not judged: the marker does not part the cells clearly, or too few cells",
        ),
    ]
    if is_by_mean:
        handles.append(Patch(color=BY_MEAN, label="judged by the mean of the cells alone"))
    figure.legend(handles=handles, frameon=False, loc="outside lower left", ncols=2, fontsize=8)

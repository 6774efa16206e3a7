"""The figure of a sweep over a table's entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.effects import Effect
from scyan_exp.results.figures.canvas import canvas, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: How an entry is written into its square.
SIGNS = {1.0: "+", -1.0: "\N{MINUS SIGN}"}
GREY = "0.9"


def entries_figure(table: KnowledgeTable, effects: Sequence[Effect]) -> Figure:
    """Share of the cells changed by each entry (colour), and what the table says there (signs).

    Of a blank that was filled with -1 and 1 the larger share counts, and the sign is that of the
    filling, in brackets. Grey squares were not changed.
    """
    shown = [p for p in table.populations if any(one.edit.population == p for one in effects)]
    markers = [m for m in table.markers if any(one.edit.marker == m for one in effects)]
    share_PM = np.full((len(shown), len(markers)), np.nan)
    sign_PM = np.full(share_PM.shape, "", dtype=object)
    for one in sorted(effects, key=lambda effect: effect.changed):
        at = shown.index(one.edit.population), markers.index(one.edit.marker)
        share_PM[at], sign_PM[at] = one.changed, _sign(one)
    figure, axes = canvas(3.5 + 0.42 * len(markers), 2.2 + 0.3 * len(shown))
    axes.set_facecolor(GREY)
    most = max(np.nanmax(100 * share_PM), 1.0)
    image = axes.imshow(100 * share_PM, cmap="Blues", vmin=0, vmax=most, aspect="auto")
    for row, column in np.argwhere(~np.isnan(share_PM)):
        color = "white" if 100 * share_PM[row, column] > 0.6 * most else "black"
        axes.text(column, row, sign_PM[row, column], ha="center", va="center", color=color)
    axes.set_xticks(range(len(markers)), markers, rotation=60, ha="right")
    axes.set_yticks(range(len(shown)), [short(name) for name in shown])
    axes.set_title("Cells that change population:\nknown entries made blank, blanks filled")
    figure.colorbar(image, ax=axes, label="cells (%)")
    return figure


def _sign(effect: Effect) -> str:
    value = effect.edit.before if effect.edit.is_blanked else effect.edit.after
    sign = SIGNS.get(value or 0.0, f"{value:g}")
    return sign if effect.edit.is_blanked else f"({sign})"

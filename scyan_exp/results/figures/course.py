"""Figures of a training's course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from scyan_exp.results.figures.canvas import canvas, colors, short
from scyan_exp.results.figures.registry import History, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@figure("loss")
def loss_figure(history: History, best_epoch: int | None = None) -> Figure:
    """Loss an epoch, and below it the agreement with the table, where it was measured.

    Epochs at a temperature, whose loss is another, are hollow. The epoch that annotates is
    marked, and the last one.
    """
    rows = pd.DataFrame(list(history))
    panels = ["loss", *(["agreement"] if "table_agreement" in rows else [])]
    figure, axes = canvas(
        6.5, 1.5 + 2.5 * len(panels), rows=len(panels), sharex=True, squeeze=False
    )
    above, below = axes[0, 0], axes[-1, 0]
    _draw_losses(above, rows)
    if below is not above:
        below.plot(rows["epoch"], rows["table_agreement"], color="C1", marker=".")
        below.set(ylabel="agreement with the table")
    for each in {above, below}:
        each.axvline(
            rows["epoch"].iloc[-1], color="C2", linestyle="--", zorder=0, label="last epoch"
        )
        if best_epoch is not None:
            each.axvline(best_epoch, color="C2", zorder=0, label="the epoch that annotates")
    below.set(xlabel="epoch")
    handles, labels = above.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _draw_losses(axes: Any, rows: pd.DataFrame) -> None:
    favoured = rows["use_temperature"] > 0
    axes.plot(rows["epoch"], rows["loss"], color="0.8", zorder=1)
    axes.scatter(rows["epoch"][~favoured], rows["loss"][~favoured], s=28, label="loss")
    axes.scatter(
        rows["epoch"][favoured],
        rows["loss"][favoured],
        s=28,
        facecolors="white",
        edgecolors="C0",
        label="loss with temperature (favours small populations)",
    )
    narrower = rows.index[rows["prior_std"].diff() < 0]
    for epoch in rows["epoch"][narrower]:
        axes.axvline(epoch - 0.5, color="0.6", linestyle=":", label="end of the warm-up")
    axes.set(ylabel="negative log-likelihood per cell", title="Training")


@figure("population_weights")
def population_weights_figure(history: History, populations: Sequence[str]) -> Figure:
    """Weight of each population over the epochs, largest at the top of the legend."""
    from matplotlib.ticker import LogLocator

    figure, axes = canvas(9, max(4.5, 0.2 * len(populations) + 1))
    rows = pd.DataFrame(list(history))
    last = rows.iloc[-1]
    ordered = sorted(populations, key=lambda name: -last[f"pi/{name}"])
    for name, color in zip(ordered, colors(len(ordered)), strict=True):
        axes.plot(rows["epoch"], 100 * rows[f"pi/{name}"], label=name, color=color)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="epoch", ylabel="weight (% of cells)", title="Population weights")
    axes.yaxis.set_minor_formatter("")
    # Given by hand: names that start with "_" are left out otherwise.
    axes.legend(
        axes.lines,
        [short(name) for name in ordered],
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        fontsize=8,
    )
    return figure

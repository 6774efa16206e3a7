"""Figures of a training's course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from scyan_exp.results.figures.canvas import canvas, colors, short
from scyan_exp.results.figures.registry import History, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@figure("loss")
def loss_figure(history: History, best_epoch: int | None = None) -> Figure:
    """Loss an epoch, and below it the agreement with the table, where it was measured.

    Epochs at a temperature, whose loss is another, are hollow. The last epoch is marked, and the
    one that annotates.
    """
    figure, axes = canvas(6.5, 4)
    rows = pd.DataFrame(list(history))
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
    marked = {"annotates": best_epoch, "last epoch": rows["epoch"].iloc[-1]}
    for (label, epoch), style in zip(marked.items(), ("-", "--"), strict=True):
        if epoch is not None:
            axes.axvline(epoch, color="C2", linestyle=style, zorder=0, label=label)
    axes.set(xlabel="epoch", ylabel="negative log-likelihood per cell", title="Training loss")
    below = -0.15
    if "table_agreement" in rows:
        agreement = axes.inset_axes((0, -0.5, 1, 0.38), sharex=axes)
        agreement.plot(rows["epoch"], rows["table_agreement"], color="C1", marker=".")
        if best_epoch is not None:
            agreement.axvline(best_epoch, color="C2", zorder=0)
        agreement.axvline(rows["epoch"].iloc[-1], color="C2", linestyle="--", zorder=0)
        agreement.set(xlabel="epoch", ylabel="agreement\nwith the table")
        axes.set(xlabel="")
        axes.tick_params(labelbottom=False)
        below = -0.7
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, below), ncols=3, fontsize=8)
    return figure


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

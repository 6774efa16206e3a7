"""Figures of a training's course.

Epochs are counted from 1 here, as in the log and in ``trainer.max_epochs``: a figure is looked at
beside the log, which says "the best was number 6". ``metrics.csv``, ``population_weights.csv``
and W&B count from 0, as Lightning does: whatever reads them would break if that changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from scyan_exp.results.figures.canvas import MOST_ROWS, canvas, colors, short
from scyan_exp.results.figures.registry import History, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Populations named of a larger table.
MOST_NAMED = 40
#: The name of the axis.
EPOCH = "epoch (the first is 1)"


def _rows(history: History) -> pd.DataFrame:
    """A row an epoch; ``epoch`` from 1 on."""
    rows = pd.DataFrame(list(history))
    return rows.assign(epoch=rows["epoch"] + 1)


@figure("loss")
def loss_figure(history: History, best_epoch: int | None = None) -> Figure:
    """Loss an epoch, and below it the agreement with the table, where it was measured.

    Epochs at a temperature, whose loss is another, are hollow. The epoch that annotates is
    marked, and the last one.
    """
    from matplotlib.ticker import MaxNLocator

    rows = _rows(history)
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
            each.axvline(best_epoch + 1, color="C2", zorder=0, label="the epoch that annotates")
    below.set(xlabel=EPOCH)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
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
    from matplotlib.ticker import LogLocator, MaxNLocator

    n_named = len(populations) if len(populations) <= MOST_ROWS else MOST_NAMED
    figure, axes = canvas(9, max(4.5, 0.2 * n_named + 1))
    rows = _rows(history)
    last = rows.iloc[-1]
    ordered = sorted(populations, key=lambda name: -last[f"pi/{name}"])
    n_more = len(ordered) - n_named
    palette = [*colors(n_named), *["0.85"] * n_more]
    for i, (name, color) in enumerate(zip(ordered, palette, strict=True)):
        weights = 100 * rows[f"pi/{name}"]
        axes.plot(rows["epoch"], weights, label=name, color=color, zorder=2 - (i >= n_named))
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel=EPOCH, ylabel="weight (% of cells)", title="Population weights")
    axes.yaxis.set_minor_formatter("")
    # Given by hand: names that start with "_" are left out otherwise.
    axes.legend(
        axes.lines[:n_named],
        [short(name) for name in ordered[:n_named]],
        title=f"the largest; grey: {n_more} smaller ones" if n_more else None,
        title_fontsize=8,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        fontsize=8,
    )
    return figure

"""Figures of annotated cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.results.figures.canvas import canvas, room, short, shown_rows, titled
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scyan_exp.results.annotation import Annotation


@figure("latent_expressions")
def latent_figure(annotation: Annotation) -> Figure:
    """The table, beside the mean latent expression of the cells of each population."""
    table = annotation.table
    n_cells_P = np.bincount(annotation.population, minlength=len(table.populations))
    rows, left_out = shown_rows(n_cells_P)
    names = [short(table.populations[p]) for p in rows]
    width = 4.5 + 0.52 * len(table.markers) + room(names)
    height = max(2.2 + 0.26 * len(rows), 3.8) + room(table.markers)
    figure, (left, right) = canvas(width, height, columns=2, sharey=True)
    title = titled("Knowledge table", "(grey: not known)", left_out)
    _heatmap(left, table.rho[rows], names, table.markers, title)
    latent_PM = _mean_latent(annotation)[rows]
    image = _heatmap(right, latent_PM, names, table.markers, "Mean latent expression")
    figure.colorbar(
        image, ax=[left, right], shrink=0.8, label="expression (-1 negative, 1 positive)"
    )
    return figure


@figure("population_counts")
def counts_figure(annotation: Annotation) -> Figure:
    """Number of cells annotated with each population, and left unannotated."""
    names = [*annotation.table.populations, "(unannotated)"]
    counts = np.bincount(
        np.where(annotation.codes < 0, len(names) - 1, annotation.codes), minlength=len(names)
    )
    rows, left_out = shown_rows(counts[:-1])
    order = rows[np.argsort(counts[rows], kind="stable")].tolist()
    if counts[-1]:
        order = [len(names) - 1, *order]
    figure, axes = canvas(7.5 + room(names[i] for i in order), 1.6 + 0.26 * len(order))
    colors = ["0.7" if i == len(names) - 1 else "C0" for i in order]
    bars = axes.barh(range(len(order)), counts[order], color=colors)
    axes.set_yticks(range(len(order)), [short(names[i]) for i in order])
    shares = [f" {counts[i]:,} ({_percent(counts[i] / counts.sum())})" for i in order]
    axes.bar_label(bars, shares, fontsize=8)
    axes.margins(x=0.25)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="cells", title=titled("Cells per population", left_out))
    return figure


@figure("confusion_matrix")
def confusion_figure(annotation: Annotation, labels: pd.Series) -> Figure:
    """Where the cells of each true population went, in shares of the true population."""
    populations = annotation.table.populations
    n = len(populations)
    true = pd.Categorical(labels, categories=populations).codes
    scored = true >= 0
    pairs = true[scored].astype(np.int64) * n + annotation.population[scored]
    counts = np.bincount(pairs, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    present = counts.sum(axis=1) > 0
    columns, left_out = shown_rows(counts.sum(axis=0) + counts.sum(axis=1))
    shown = shares[present][:, columns]
    more = room(populations[i] for i in columns)
    figure, axes = canvas(3.2 + 0.34 * len(columns) + more, 2.4 + 0.3 * int(present.sum()) + more)
    image = axes.imshow(100 * shown, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, values in enumerate(shown):
        for column in np.flatnonzero(values >= 0.005):
            color = "white" if values[column] > 0.6 else "black"
            text = f"{100 * values[column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=color)
    rows = [f"{short(populations[i])} ({counts[i].sum():,})" for i in np.flatnonzero(present)]
    axes.set_xticks(
        range(len(columns)),
        [short(populations[i]) for i in columns],
        rotation=60,
        ha="right",
        fontsize=8,
    )
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set(
        xlabel="annotated as",
        ylabel="label (cells)",
        title=titled("Most probable population", "of every cell (% of label)", left_out),
    )
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def _percent(share: float) -> str:
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _mean_latent(annotation: Annotation) -> np.ndarray:
    """(P, M) mean latent expression; NaN for populations without a cell."""
    n_pops = len(annotation.table.populations)
    means = pd.DataFrame(annotation.latent).groupby(annotation.population).mean()
    return means.reindex(range(n_pops)).to_numpy()


def _heatmap(
    axes: Axes, values_PM: np.ndarray, names: Sequence[str], markers: Sequence[str], title: str
) -> Any:
    from matplotlib import colormaps

    cmap = colormaps["RdBu_r"].with_extremes(bad="0.85")
    image = axes.imshow(values_PM, cmap=cmap, vmin=-1.2, vmax=1.2, aspect="auto")
    axes.set_xticks(range(len(markers)), [short(m) for m in markers], rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title(title, fontsize=10)
    return image

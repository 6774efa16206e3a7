"""Figures of a run, each a PNG that a person would look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.files import atomic_path
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.consensus import Consensus, Member

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
#: Longer names of populations are cut in figures, in characters.
LONGEST_NAME = 40
History = Sequence[dict[str, float]]


def draw_figures(
    folder: Path, annotation: Annotation, history: History, labels: pd.Series | None
) -> list[Path]:
    """Draw every figure that the run allows into ``folder``; return the files.

    Args:
        folder: where the PNG files go.
        annotation: the annotated cells.
        history: a dict of metrics an epoch.
        labels: true populations of the cells, or None.
    """
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # "$" in a name is a dollar
        return _draw_all(folder, annotation, history, labels)


def draw_consensus_figures(
    folder: Path, consensus: Consensus, members: Sequence[Member], labels: pd.Series | None
) -> list[Path]:
    """As :func:`draw_figures`, of the consensus of several trainings."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):
        figures = {
            "members": members_figure(consensus, members),
            "agreement": agreement_figure(consensus),
            **_annotation_figures(consensus, labels),
        }
        return _save(figures, folder)


def _draw_all(
    folder: Path, annotation: Annotation, history: History, labels: pd.Series | None
) -> list[Path]:
    figures = {
        "loss": loss_figure(history),
        "population_weights": population_weights_figure(history, annotation.table.populations),
        **_annotation_figures(annotation, labels),
    }
    return _save(figures, folder)


def _annotation_figures(annotation: Annotation, labels: pd.Series | None) -> dict[str, Figure]:
    figures = {
        "latent_expressions": latent_figure(annotation),
        "population_counts": counts_figure(annotation),
    }
    if labels is not None and labels.isin(annotation.table.populations).any():
        figures["confusion_matrix"] = confusion_figure(annotation, labels)
    return figures


def _save(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    paths = []
    for name, figure in figures.items():
        with atomic_path(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=DPI)
        paths.append(folder / f"{name}.png")
    return paths


def members_figure(consensus: Consensus, members: Sequence[Member]) -> Figure:
    """How often members annotate alike, and the weight of each in the consensus."""
    names = [one.name for one in members]
    codes = [consensus.members[name].population for name in names]
    rows = [*codes, consensus.population]
    alike = np.array([[np.mean(a == b) for b in codes] for a in rows])
    figure, (left, right) = _canvas(
        4.5 + 0.7 * len(names), 2.2 + 0.4 * len(rows), columns=2, width_ratios=[len(names) + 1, 3]
    )
    image = left.imshow(100 * alike, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(alike.shape):
        share = alike[row, column]
        color = "white" if share > 0.6 else "black"
        left.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=color)
    left.set_xticks(range(len(names)), names, rotation=60, ha="right")
    left.set_yticks(range(len(rows)), [*names, "consensus"])
    left.set_title("Cells annotated alike (%)")
    figure.colorbar(image, ax=left, shrink=0.8)
    right.barh(range(len(names)), [one.weight for one in members])
    right.set_yticks(range(len(names)), names)
    right.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, 1), title="Weight in the consensus")
    return figure


def agreement_figure(consensus: Consensus) -> Figure:
    """How much of the members' weight agrees with the consensus, a population."""
    populations = consensus.table.populations
    means = pd.Series(consensus.agreement).groupby(consensus.population).mean()
    order = means.sort_values().index.to_list()
    figure, axes = _canvas(7.5, 1.6 + 0.26 * len(order))
    bars = axes.barh(range(len(order)), 100 * means[order])
    axes.set_yticks(range(len(order)), [_short(populations[i]) for i in order])
    axes.bar_label(bars, [f" {100 * means[i]:.0f}" for i in order], fontsize=8)
    axes.set(
        xlim=(0, 108), xlabel="weight of the members that agree (%)", title="Agreement of members"
    )
    return figure


def loss_figure(history: History) -> Figure:
    """Loss an epoch; epochs at a temperature, whose loss is another, are hollow."""
    figure, axes = _canvas(6.5, 4)
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
    axes.set(xlabel="epoch", ylabel="negative log-likelihood per cell", title="Training loss")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, fontsize=8)
    return figure


def population_weights_figure(history: History, populations: Sequence[str]) -> Figure:
    """Weight of each population over the epochs, largest at the top of the legend."""
    from matplotlib.ticker import LogLocator

    figure, axes = _canvas(9, max(4.5, 0.2 * len(populations) + 1))
    rows = pd.DataFrame(list(history))
    last = rows.iloc[-1]
    ordered = sorted(populations, key=lambda name: -last[f"pi/{name}"])
    for name, color in zip(ordered, _colors(len(ordered)), strict=True):
        axes.plot(rows["epoch"], 100 * rows[f"pi/{name}"], label=name, color=color)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="epoch", ylabel="weight (% of cells)", title="Population weights")
    axes.yaxis.set_minor_formatter("")
    # Given by hand: names that start with "_" are left out otherwise.
    axes.legend(
        axes.lines,
        [_short(name) for name in ordered],
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        fontsize=8,
    )
    return figure


def latent_figure(annotation: Annotation) -> Figure:
    """The table, beside the mean latent expression of the cells of each population."""
    table = annotation.table
    n_pops, n_markers = table.rho.shape
    figure, (left, right) = _canvas(
        4 + 0.52 * n_markers, 2.2 + 0.26 * n_pops, columns=2, sharey=True
    )
    _heatmap(left, table.rho, table, "Knowledge table (grey: not known)")
    image = _heatmap(right, _mean_latent(annotation), table, "Mean latent expression")
    figure.colorbar(
        image, ax=[left, right], shrink=0.8, label="expression (-1 negative, 1 positive)"
    )
    return figure


def counts_figure(annotation: Annotation) -> Figure:
    """Number of cells annotated with each population, and left unannotated."""
    names = [*annotation.table.populations, "(unannotated)"]
    counts = np.bincount(
        np.where(annotation.codes < 0, len(names) - 1, annotation.codes), minlength=len(names)
    )
    order = np.argsort(counts[:-1], kind="stable").tolist()
    if counts[-1]:
        order = [len(names) - 1, *order]
    figure, axes = _canvas(7.5, 1.6 + 0.26 * len(order))
    colors = ["0.7" if i == len(names) - 1 else "C0" for i in order]
    bars = axes.barh(range(len(order)), counts[order], color=colors)
    axes.set_yticks(range(len(order)), [_short(names[i]) for i in order])
    shares = [f" {counts[i]:,} ({_percent(counts[i] / counts.sum())})" for i in order]
    axes.bar_label(bars, shares, fontsize=8)
    axes.margins(x=0.25)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="cells", title="Cells per population")
    return figure


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
    figure, axes = _canvas(3.2 + 0.34 * n, 2.4 + 0.3 * int(present.sum()))
    image = axes.imshow(100 * shares[present], cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, values in enumerate(shares[present]):
        for column in np.flatnonzero(values >= 0.005):
            color = "white" if values[column] > 0.6 else "black"
            text = f"{100 * values[column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=color)
    rows = [f"{_short(populations[i])} ({counts[i].sum():,})" for i in np.flatnonzero(present)]
    axes.set_xticks(
        range(n), [_short(name) for name in populations], rotation=60, ha="right", fontsize=8
    )
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set(
        xlabel="annotated as",
        ylabel="label (cells)",
        title="Most probable population of every cell (% of label)",
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


def _heatmap(axes: Axes, values_PM: np.ndarray, table: KnowledgeTable, title: str) -> Any:
    from matplotlib import colormaps

    cmap = colormaps["RdBu_r"].with_extremes(bad="0.85")
    image = axes.imshow(values_PM, cmap=cmap, vmin=-1.2, vmax=1.2, aspect="auto")
    axes.set_xticks(range(len(table.markers)), table.markers, rotation=90, fontsize=8)
    names = [_short(name) for name in table.populations]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title(title, fontsize=10)
    return image


def _short(name: str) -> str:
    """A name that leaves room for the figure."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _colors(n: int) -> list[Any]:
    from matplotlib import colormaps

    if n <= 10:
        return [colormaps["tab10"](i) for i in range(n)]
    return [colormaps["turbo"](x) for x in np.linspace(0.02, 0.98, n)]


def _canvas(width: float, height: float, columns: int = 1, **options: Any) -> Any:
    """A figure without pyplot: no global state, no display needed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, **options)
    for one in np.atleast_1d(axes):
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes

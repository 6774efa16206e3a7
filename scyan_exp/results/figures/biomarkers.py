"""Figures of samples: shares of populations, and intensities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.results.biomarkers import Biomarkers
from scyan_exp.results.figures.canvas import canvas, room, short
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Cells added to a count before it is compared with what was expected, so that one cell instead
#: of two is no difference.
PRIOR_CELLS = 10
#: Fold changes at which colours end, as powers of two.
LARGEST_FOLD = 2.0
#: Tiles of a heatmap that have their numbers written in, at most.
MOST_NUMBERS = 2500
#: Cofactors of the arcsinh that colours of intensities follow, by the size above which they hold:
#: flow, CyTOF. Smaller ones are transformed already.
COFACTORS = {1000.0: 150.0, 20.0: 5.0}
#: Markers whose populations differ by less than this have not all colours: they would show noise.
LEAST_WIDTH = 1.0
#: Characters that have room along a row of the shares.
CHARACTERS_A_ROW = 4


@figure("sample_shares")
def shares_figure(biomarkers: Biomarkers) -> Figure:
    """Share of each population in each sample; coloured by how it differs from the other samples.

    The colour is the ratio to the median share over the samples; small counts are drawn towards 1.
    """
    rows = biomarkers.own_populations
    rows = rows[(rows["count"] > 0).groupby(rows["population"]).transform("any")]
    share_SP = _wide(rows, "share")
    n_S = rows.groupby("sample", sort=False)["sample_count"].first()
    fold_SP = _folds(_wide(rows, "count").to_numpy(), n_S.to_numpy()[:, None])
    order, groups = _by_group(rows)
    n_samples, n_pops = share_SP.shape
    width = 3.2 + 0.5 * n_pops + room(map(str, share_SP.index))
    height = 2.8 + 0.24 * max(n_samples, 8) + room(map(str, share_SP.columns))
    figure, axes = canvas(width, height)
    image = axes.imshow(
        fold_SP[order], cmap="RdBu_r", vmin=-LARGEST_FOLD, vmax=LARGEST_FOLD, aspect="auto"
    )
    texts = [[_percent(share) for share in row] for row in share_SP.to_numpy()[order]]
    _write_numbers(axes, texts, np.abs(fold_SP[order]) > 0.7 * LARGEST_FOLD)
    _name_ticks(axes, list(share_SP.columns))
    names = [f"{short(str(share_SP.index[i]))} ({n_S.iloc[i]:,})" for i in order]
    axes.set_yticks(range(n_samples), names, fontsize=8)
    _mark_groups(axes, groups)
    axes.set(title="Cells of each sample (%)", ylabel="sample (cells)")
    bar = figure.colorbar(
        image, ax=axes, shrink=min(0.8, 12 / n_samples), label="beside the median sample"
    )
    ticks = np.arange(-LARGEST_FOLD, LARGEST_FOLD + 1)
    bar.set_ticks(ticks, labels=[_ratio(tick) for tick in ticks])
    return figure


@figure("sample_intensities")
def intensities_figure(biomarkers: Biomarkers) -> Figure:
    """Median intensity of each marker in each population: the median over the samples.

    The colours are scaled a marker; the numbers are in the units of the cells.
    """
    rows = biomarkers.intensities
    medians = rows.groupby(["population", "marker"], sort=False)["median"].median().unstack()
    medians = medians.reindex(index=rows["population"].unique(), columns=rows["marker"].unique())
    with_cells = medians.dropna(how="all")
    medians = medians if with_cells.empty else with_cells
    values_PM = medians.to_numpy()
    shown_PM, words = _scaled(values_PM)
    width = 3.4 + 0.42 * values_PM.shape[1] + room(map(str, medians.index))
    height = 2.4 + 0.28 * max(len(values_PM), 4) + room(map(str, medians.columns))
    figure, axes = canvas(width, height)
    from matplotlib import colormaps

    cmap = colormaps["viridis"].with_extremes(bad="0.85")
    image = axes.imshow(shown_PM, cmap=cmap, vmin=0, vmax=1, aspect="auto")
    texts = [[_number(value) for value in row] for row in values_PM]
    _write_numbers(axes, texts, shown_PM < 0.6, size=6)
    _name_ticks(axes, list(medians.columns))
    axes.set_yticks(range(len(medians)), [short(str(name)) for name in medians.index], fontsize=8)
    axes.set_title("Median intensity, median over the samples")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label=words)
    bar.set_ticks([0, 1], labels=["lowest", "highest"])
    return figure


def _wide(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row a sample, a column a population, in their order."""
    return rows.pivot(index="sample", columns="population", values=column).reindex(
        index=rows["sample"].unique(), columns=rows["population"].unique()
    )


def _folds(count_SP: np.ndarray, n_S1: np.ndarray) -> np.ndarray:
    """(S, P) log2 of counts beside those that the median sample's share would give."""
    expected_SP = np.median(count_SP / n_S1, axis=0) * n_S1
    folds: np.ndarray = np.log2((count_SP + PRIOR_CELLS) / (expected_SP + PRIOR_CELLS))
    return folds


def _by_group(rows: pd.DataFrame) -> tuple[list[int], list[str]]:
    """The order of the samples, by group, and the group of each in that order."""
    if "group" not in rows:
        return list(range(rows["sample"].nunique())), []
    groups = rows.groupby("sample", sort=False)["group"].first().reset_index(drop=True)
    groups = groups.sort_values(kind="stable")
    return groups.index.to_list(), groups.to_list()


def _mark_groups(axes: Axes, groups: list[str]) -> None:
    """A line between groups, and their names at the right."""
    for group in dict.fromkeys(groups):
        first, last = groups.index(group), len(groups) - 1 - groups[::-1].index(group)
        axes.axhline(last + 0.5, color="black", linewidth=1.5 if last < len(groups) - 1 else 0)
        axes.annotate(
            short(group, CHARACTERS_A_ROW * (last - first + 1)),
            (1.01, (first + last) / 2),
            xycoords=("axes fraction", "data"),
            rotation=90,
            va="center",
            fontsize=8,
        )


def _name_ticks(axes: Axes, names: list[Any]) -> None:
    axes.set_xticks(
        range(len(names)), [short(str(one)) for one in names], rotation=60, ha="right", fontsize=8
    )


def _write_numbers(
    axes: Axes, texts: list[list[str]], is_dark: np.ndarray, size: float = 6.5
) -> None:
    """The numbers of a heatmap, unless there are too many to be read."""
    if sum(map(len, texts)) > MOST_NUMBERS:
        return
    for (row, column), dark in np.ndenumerate(is_dark):
        color = "white" if dark else "black"
        text = texts[row][column]
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=color)


def _percent(share: float) -> str:
    percent = 100 * share
    return "0" if percent == 0 else f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def _ratio(power: float) -> str:
    """2 to some power as people say it: x4, x1/4."""
    return f"x{2**power:.0f}" if power >= 0 else f"x1/{2**-power:.0f}"


def _scaled(values_PM: np.ndarray) -> tuple[np.ndarray, str]:
    """Intensities between 0 (lowest population of the marker) and 1, and how they were scaled."""
    largest = np.nanmax(np.abs(values_PM)) if np.isfinite(values_PM).any() else 0.0
    cofactor = next((c for size, c in COFACTORS.items() if largest > size), None)
    seen_PM = values_PM if cofactor is None else np.arcsinh(values_PM / cofactor)
    low_M, high_M = np.fmin.reduce(seen_PM, axis=0), np.fmax.reduce(seen_PM, axis=0)
    width_M = np.maximum(high_M - low_M, LEAST_WIDTH)
    by = "" if cofactor is None else f", by arcsinh(x / {cofactor:g})"
    return np.ma.masked_invalid((seen_PM - low_M) / width_M), f"scaled a marker{by}"

"""Figures of a consensus of several trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.results.figures.canvas import canvas, short
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scyan_exp.results.consensus import Consensus, Member


@figure("members")
def members_figure(consensus: Consensus, members: Sequence[Member]) -> Figure:
    """How often members annotate alike, and the weight of each in the consensus."""
    codes = [consensus.members[one.name].population for one in members]
    names = [short(one.name) for one in members]
    rows = [*codes, consensus.population]
    alike = np.array([[np.mean(a == b) for b in codes] for a in rows])
    figure, (left, right) = canvas(
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


@figure("agreement")
def agreement_figure(consensus: Consensus) -> Figure:
    """How much of the members' weight agrees with the consensus, a population."""
    populations = consensus.table.populations
    means = pd.Series(consensus.agreement).groupby(consensus.population).mean()
    order = means.sort_values().index.to_list()
    figure, axes = canvas(7.5, 1.6 + 0.26 * len(order))
    bars = axes.barh(range(len(order)), 100 * means[order])
    axes.set_yticks(range(len(order)), [short(populations[i]) for i in order])
    axes.bar_label(bars, [f" {100 * means[i]:.0f}" for i in order], fontsize=8)
    axes.set(
        xlim=(0, 108), xlabel="weight of the members that agree (%)", title="Agreement of members"
    )
    return figure

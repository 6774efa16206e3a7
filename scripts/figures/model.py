"""Draw the figure of docs/model.md: cells, flow, latent space and table.

python scripts/figures/model.py [FOLDER]; the folder is docs/images by default. The cells are drawn
at random from the prior and bent by a fixed map, so nothing is trained here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from scyan_exp.module import PriorDistribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES = Path(__file__).parents[2] / "docs" / "images"
COLOURS = ("#1f6fb4", "#d9541e", "#2a8a4a")
NAMES = ("T cells", "B cells", "NK cells")
#: CD3 and CD56 of each population; None is a blank.
TABLE = ((1, None), (-1, -1), (-1, 1))
PRIOR_STD, N_CELLS = 0.3, 400
INK, PAPER = "#1c2733", "#ffffff"


def latent_cells() -> list[np.ndarray]:
    """Latent expressions (N, 2) of each population, drawn from the prior."""
    rho = torch.tensor([[np.nan if value is None else value for value in row] for row in TABLE])
    prior = PriorDistribution(rho, torch.zeros(2, dtype=torch.bool), PRIOR_STD, 2)
    generator = torch.Generator().manual_seed(0)
    return [
        prior.sample(torch.full((N_CELLS,), z), generator=generator).numpy()
        for z in range(len(TABLE))
    ]


def measured(latent: np.ndarray) -> np.ndarray:
    """Expressions (N, 2) as they might be measured: shifted, stretched and bent."""
    cd3, cd56 = latent.T
    return np.column_stack(
        [1.6 + 1.3 * cd3 + 0.35 * cd56**2, 1.2 + 0.8 * cd56 + 0.45 * np.sin(2 * cd3) + 0.3 * cd3]
    )


def draw(path: Path) -> None:
    """Write the figure as SVG, the same each time."""
    mpl.rcParams["svg.hashsalt"] = "model"
    latent = latent_cells()
    figure = Figure(figsize=(10, 3.9), facecolor=PAPER)
    grid = figure.add_gridspec(1, 3, width_ratios=[1, 1, 0.95], wspace=0.68)
    grid.update(left=0.035, right=0.985, bottom=0.15, top=0.8)
    expressions, space, table = (figure.add_subplot(grid[0, i]) for i in range(3))
    _scatter(expressions, [measured(u) for u in latent])
    _name(expressions, "expressions x")
    _scatter(space, latent)
    space.set(xlim=(-2.1, 2.1), ylim=(-2.1, 2.1))
    space.set_xticks([-1, 0, 1])
    space.set_yticks([-1, 0, 1])
    _name(space, "latent expressions u")
    for sign in (-1, 1):
        space.axvline(sign, color="0.75", lw=0.8, zorder=0)
        space.axhline(sign, color="0.75", lw=0.8, zorder=0)
    _draw_table(table)
    _between(figure, 0.322, "flow u = f(x)", "7 coupling layers", "<|-|>")
    _between(figure, 0.684, "prior p(u | z)", "a peak at 1 or -1,\nflat at a blank", "<|-")
    figure.savefig(path, metadata={"Date": None})


def _scatter(axes: Axes, cells: list[np.ndarray]) -> None:
    for points, colour, name in zip(cells, COLOURS, NAMES, strict=True):
        axes.scatter(*points.T, s=4, c=colour, alpha=0.55, linewidths=0, rasterized=True)
        x, y = points.mean(axis=0)
        axes.text(
            *(x, y, name),
            ha="center",
            va="center",
            color=INK,
            fontsize=9,
            bbox={"facecolor": PAPER, "edgecolor": colour, "boxstyle": "round,pad=0.25"},
        )
    axes.spines[["top", "right"]].set_visible(False)


def _name(axes: Axes, title: str) -> None:
    """Title and names of the axes; that of the upright one lies on top."""
    axes.set_title(title, color=INK, pad=20)
    axes.set_xlabel("CD3", color=INK)
    axes.text(0, 1.03, "CD56", transform=axes.transAxes, ha="center", color=INK)


def _draw_table(axes: Axes) -> None:
    axes.set(xlim=(-1.35, 2), ylim=(-1.1, 4.1))
    axes.axis("off")
    axes.set_title("knowledge table", color=INK, pad=20)
    for m, marker in enumerate(("CD3", "CD56")):
        axes.text(m + 0.5, 3.3, marker, ha="center", color=INK)
    for p, (name, row, colour) in enumerate(zip(NAMES, TABLE, COLOURS, strict=True)):
        axes.text(-0.1, 2.5 - p, name, ha="right", va="center", color=colour, weight="bold")
        for m, value in enumerate(row):
            shade = {None: "#f1f1f1", 1: "#c8e3d2", -1: "#f5d2c4"}[value]
            axes.add_patch(
                mpl.patches.Rectangle((m, 2 - p), 1, 1, facecolor=shade, edgecolor=PAPER, lw=2)
            )
            text = "blank" if value is None else f"{value}"
            axes.text(m + 0.5, 2.5 - p, text, ha="center", va="center", color=INK)
    axes.text(-1.3, -0.75, "each population z has a weight π", color=INK, fontsize=9)


def _between(figure: Figure, x: float, above: str, below: str, style: str) -> None:
    """An arrow between two panels, with words."""
    arrow = mpl.patches.FancyArrowPatch(
        (x - 0.036, 0.52),
        (x + 0.036, 0.52),
        arrowstyle=style,
        mutation_scale=14,
        color=INK,
        transform=figure.transFigure,
    )
    figure.add_artist(arrow)
    figure.text(x, 0.565, above, ha="center", va="bottom", color=INK, fontsize=9, weight="bold")
    figure.text(x, 0.475, below, ha="center", va="top", color=INK, fontsize=8.5)


if __name__ == "__main__":
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else IMAGES) / "model.svg")

"""Draw the figure of docs/model.md: the layers of the program, and how a run flows through them.

python scripts/figures/house.py [FOLDER]; the folder is docs/images by default. The layers are those
that tests/test_architecture.py guards; a layer without words here fails.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
INK, PAPER = "#1c2733", "#ffffff"
#: What is in each folder; a part without a folder of its own is the ground.
WORDS = {
    "cli": "a file per command",
    "report": "pages that people look at",
    "entries": "the table's entries as a sweep",
    "search": "searches, with Optuna",
    "fleet": "many jobs on many devices",
    "run": "one run: config to folder",
    "results": "annotation, verdict, figures",
    "training": "training loop, checkpoints",
    "metrics": "a function per metric",
    "data": "cells, tables, transforms",
    "fused": "the model in C, for CPUs",
    "config": "typed settings, and their check",
    "module": "the model: flow and prior",
}
GROUND = "ground: errors, files, terminal"
#: Which colours go together: what people type and see, many runs, one run, tensors and data.
SHADES = {
    **dict.fromkeys(("cli", "report"), "#d7e6f5"),
    **dict.fromkeys(("entries", "search", "fleet"), "#dcefe0"),
    **dict.fromkeys(("run", "results", "training"), "#fbe3d3"),
}
OTHER = "#ececec"


def floors() -> list[list[str]]:
    """The parts with a folder, a list a layer, from the bottom to the top."""
    sys.path.insert(0, str(ROOT))
    from tests.test_architecture import LAYERS

    package = ROOT / "scyan_exp"
    found = [sorted(part for part in layer if (package / part).is_dir()) for layer in LAYERS]
    return [layer for layer in found if layer]


def draw(path: Path) -> None:
    """Write the figure as SVG, the same each time."""
    mpl.rcParams["svg.hashsalt"] = "house"
    layers = floors()
    figure = Figure(figsize=(7, 0.44 * (len(layers) + 1) + 0.5), facecolor=PAPER)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set(xlim=(-0.75, 10), ylim=(-1.15, len(layers) + 0.1))
    axes.axis("off")
    _box(axes, 0, -1, 10, GROUND, "#dddddd")
    for floor, layer in enumerate(layers):
        width = 10 / len(layer)
        for i, part in enumerate(layer):
            text = f"{part}/  {WORDS[part]}"
            _box(axes, i * width, floor, width, text, SHADES.get(part, OTHER))
    axes.annotate(
        "",
        (-0.25, -1),
        (-0.25, len(layers)),
        arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.2},
    )
    axes.text(-0.45, len(layers) / 2, "imports", rotation=90, va="center", ha="right", color=INK)
    figure.savefig(path, metadata={"Date": None})


def _box(axes: mpl.axes.Axes, x: float, y: float, width: float, text: str, shade: str) -> None:
    gap = 0.06
    axes.add_patch(
        mpl.patches.FancyBboxPatch(
            (x + gap, y + gap),
            width - 2 * gap,
            1 - 2 * gap,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=shade,
            edgecolor="none",
        )
    )
    axes.text(x + width / 2, y + 0.5, text, ha="center", va="center", color=INK, fontsize=9.5)


if __name__ == "__main__":
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else IMAGES) / "house.svg")

"""What a config may name as its figures.

A figure is named here only when a config lists figures, or when a run draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scyan_exp.config.registry import Registry

_HERE = "scyan_exp.results.figures"
#: Functions that draw, by the name of the figure, in the order in which they are drawn.
FIGURES: Registry[Callable[..., Any]] = Registry(
    "figure",
    (
        f"{_HERE}.course",
        f"{_HERE}.repeats",
        f"{_HERE}.annotated",
        f"{_HERE}.threshold",
        f"{_HERE}.trust",
        f"{_HERE}.places",
        f"{_HERE}.biomarkers",
        f"{_HERE}.groups",
    ),
)

"""How a function becomes a figure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from scyan_exp.config.figures import FIGURES
from scyan_exp.config.registry import origin_of
from scyan_exp.errors import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = TypeVar("Draw", bound="Callable[..., Figure]")

#: Metrics of the epochs of a training, a dict each.
History = Sequence[dict[str, float]]

#: What a figure can take.
NAMES = (
    "annotation",
    "populations",
    "x_NM",
    "labels",
    "batches",
    "history",
    "consensus",
    "members",
    "best_epoch",
    "signs",
    "umap",
    "biomarkers",
    "groups",
)


def figure(name: str) -> Callable[[Draw], Draw]:
    """Register a function as the figure ``figures/NAME.png``.

    Raises:
        ValueError: the name is taken, or no name of a file; or the function takes what there
            never is.
    """
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(f"figure {name!r}: expected a name of letters, digits, _ and -")

    def register(draw: Draw) -> Draw:
        unknown = sorted(set(inspect.signature(draw).parameters) - set(NAMES))
        if unknown:
            raise ValueError(
                f"figure {name!r} takes {listed(unknown)}; a figure can take {listed(NAMES)}"
            )
        FIGURES.add(name, draw, origin_of(draw))
        return draw

    return register

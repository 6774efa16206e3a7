"""How a function becomes a metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, get_args

from scyan_exp.config.objectives import METRICS, Direction, Metric, Need
from scyan_exp.config.registry import origin_of
from scyan_exp.metrics.inputs import NAMES

Function = TypeVar("Function", bound=Callable[..., float])


def metric(*, direction: Direction, needs: tuple[Need, ...] = ()) -> Callable[[Function], Function]:
    """Register a function as the metric of its name.

    Args:
        direction: ``minimize`` or ``maximize``.
        needs: ``("labels",)`` or ``("batches",)`` if the cells must have them; without them the
            metric is left out.

    Raises:
        ValueError: another direction or need, or a name that is taken.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction: expected minimize or maximize, found {direction!r}")
    if not isinstance(needs, tuple) or not set(needs) <= set(get_args(Need)):
        raise ValueError(f"needs: expected a tuple of {get_args(Need)}, found {needs!r}")

    def register(function: Function) -> Function:
        name = function.__name__
        if name in NAMES:
            raise ValueError(f"metric {name!r}: an argument of metrics has this name")
        METRICS.add(name, Metric(name, direction, needs, function), origin_of(function))
        return function

    return register

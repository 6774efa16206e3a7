"""Computing metrics: each once, the parts of others included."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Iterable
from typing import Any

from scyan_exp.config.objectives import METRICS, Metric
from scyan_exp.metrics.inputs import Inputs

log = logging.getLogger(__name__)


def measure(inputs: Inputs, names: Iterable[str] | None = None) -> dict[str, float]:
    """The metrics that the inputs allow; NaN for one that fails, with a warning in the log.

    Args:
        inputs: what is measured.
        names: some metrics; all of them when None.
    """
    known = inputs.by_name()
    return {
        name: _value(METRICS[name], inputs, known)
        for name in (METRICS if names is None else names)
        if _is_possible(METRICS[name], inputs)
    }


def _is_possible(one: Metric, inputs: Inputs) -> bool:
    return all(inputs.has(need) for need in one.needs)


def _value(one: Metric, inputs: Inputs, known: dict[str, Any]) -> float:
    """The value of a metric, from ``known`` if it is there; else it is kept there."""
    if one.name not in known:
        known[one.name] = math.nan  # what a metric gets that takes itself
        try:
            known[one.name] = _computed(one, inputs, known)
        except Exception as error:
            if one.function.__module__.startswith("scyan_exp."):
                raise  # ours is a bug, to be seen; the run is worth more than what was added
            reason = f"{type(error).__name__}: {error}"
            log.warning("metric %s cannot be computed (%s)", one.name, reason, exc_info=error)
    return known[one.name]


def _computed(one: Metric, inputs: Inputs, known: dict[str, Any]) -> float:
    """Call the function of a metric with what it takes.

    Raises:
        Exception: whatever the function raises, or it takes what there is not.
    """
    given = {}
    for name, parameter in inspect.signature(one.function).parameters.items():
        other = METRICS.get(name)
        if other is not None and _is_possible(other, inputs):
            given[name] = _value(other, inputs, known)
        elif name in known:
            given[name] = known[name]
        elif parameter.default is inspect.Parameter.empty:
            raise TypeError(f"it takes {name}, which these cells or this package do not have")
    value = one.function(**given)
    number = value if type(value) is int else float(value)
    if math.isnan(number):
        log.warning("metric %s is not a number", one.name)
    return number

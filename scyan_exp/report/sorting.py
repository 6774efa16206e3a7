"""``sort=NAME``: rows in the order of a column, the best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from scyan_exp.config.objectives import METRICS
from scyan_exp.errors import InputError, listed, near_matches

Row = TypeVar("Row")


@dataclass(frozen=True)
class Order:
    """An order of rows.

    Attributes:
        name: what they are sorted by.
        is_reversed: the worst first.
    """

    name: str
    is_reversed: bool = False

    @property
    def is_metric(self) -> bool:
        """Whether rows are sorted by a metric."""
        return self.name in METRICS

    def sort(self, rows: Iterable[Row], rank: Callable[[Row], float]) -> list[Row]:
        """Sort rows by their ranks; those that have none stand last either way.

        Args:
            rows: what is sorted.
            rank: lower for a better row, infinite or NaN for one without a value.
        """
        ranked = [(rank(row), row) for row in rows]
        there = [pair for pair in ranked if math.isfinite(pair[0])]
        there.sort(key=lambda pair: pair[0], reverse=self.is_reversed)
        absent = [row for value, row in ranked if not math.isfinite(value)]
        return [row for _, row in there] + absent

    def metric_rank(self, metrics: Mapping[str, Any]) -> float:
        """The rank of a row with these metrics."""
        value = metrics.get(self.name)
        if not isinstance(value, (int, float)):
            return math.nan
        return -value if METRICS[self.name].direction == "maximize" else float(value)


def parse_order(text: str, columns: Sequence[str], measured: Iterable[str]) -> Order:
    """The order that ``sort=`` asks for.

    Args:
        text: the name of a column or a metric; with ``-`` before it, the worst come first.
        columns: what rows can be sorted by besides metrics.
        measured: the metrics that the rows have.

    Raises:
        InputError: there is no such column, or nobody says which way a metric is better.
    """
    name = text.removeprefix("-")
    choices = [*columns, *METRICS]
    if name in choices:
        return Order(name, text.startswith("-"))
    if name in set(measured):
        raise InputError(
            f"sort={text}: no package that is installed says whether a high or a low {name} is "
            "better; install the one that measured it"
        )
    expected = f"expected one of {listed(choices)}"
    raise InputError(f"sort={text}: {expected}.{near_matches(name, choices)}")

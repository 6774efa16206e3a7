"""How the configs and the metrics of two runs differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.config.objectives import METRICS
from scyan_exp.report.ranking import yaml_if_readable
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord

#: Stands for a key that a config does not have.
ABSENT = object()


@dataclass(frozen=True)
class MetricDifference:
    """A metric of two runs, A and B.

    Attributes:
        name: the metric; ``... (consensus)`` for that of the consensus of repeats.
        a: its value in A, with repeats their mean; None where it is not there or not finite.
        b: in B.
        sd_a: the standard deviation over the repeats of A; None without repeats.
        sd_b: over those of B.
    """

    name: str
    a: float | None
    b: float | None
    sd_a: float | None = None
    sd_b: float | None = None

    @property
    def difference(self) -> float | None:
        """B minus A."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def differs(self) -> bool:
        """Whether both are there, and differ by more than rounding."""
        return self.a is not None and self.b is not None and not math.isclose(self.a, self.b)

    @property
    def better(self) -> str:
        """``A`` or ``B``; "" where they are equal, or nobody knows which way is better."""
        metric = METRICS.get(self.name.removesuffix(CONSENSUS))
        if self.difference is None or not self.differs or metric is None:
            return ""
        return "B" if (self.difference > 0) == (metric.direction == "maximize") else "A"

    @property
    def spread(self) -> float | None:
        """Standard deviation of the difference of two single trainings; None without repeats."""
        known = [sd for sd in (self.sd_a, self.sd_b) if sd is not None]
        if not known:
            return None
        # A run without repeats is taken to vary as much as the other one.
        both = known if len(known) == 2 else known * 2
        return math.hypot(*both)

    @property
    def is_within_spread(self) -> bool:
        """Whether two trainings of one config may differ as much."""
        if self.spread is None or self.difference is None or not self.differs:
            return False
        return abs(self.difference) <= self.spread


CONSENSUS = " (consensus)"


def config_differences(a: Path, b: Path) -> dict[str, tuple[Any, Any]] | None:
    """The keys whose values differ, with both values; :data:`ABSENT` for one that is not there.

    Args:
        a: the folder of a run.
        b: of another one.

    Returns:
        None where a config is gone, or there never was one: a consensus has none of its own.
    """
    configs = [yaml_if_readable(RunFolder(folder).config) for folder in (a, b)]
    if not all(isinstance(one, dict) for one in configs):
        return None
    of_a, of_b = (dict(_flat(one)) for one in configs)
    keys = list(dict.fromkeys([*of_a, *of_b]))
    pairs = {key: (of_a.get(key, ABSENT), of_b.get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def metric_differences(a: RunRecord, b: RunRecord) -> list[MetricDifference]:
    """All metrics of two runs side by side."""
    spreads = [(one.repeats or {}).get("std", {}) for one in (a, b)]
    rows = [
        MetricDifference(name, *_values(name, a.metrics, b.metrics), *_values(name, *spreads))
        for name in _names(a.metrics, b.metrics)
    ]
    of_consensus = [(one.repeats or {}).get("consensus", {}) for one in (a, b)]
    # The annotation of a single run is its own: so it stands beside the consensus of another.
    there = [own or one.metrics for own, one in zip(of_consensus, (a, b), strict=True)]
    return rows + [
        MetricDifference(f"{name}{CONSENSUS}", *_values(name, *there))
        for name in _names(*of_consensus)
    ]


def _names(*tables: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table))


def _values(name: str, *tables: Mapping[str, Any]) -> Iterator[float | None]:
    for table in tables:
        value = table.get(name)
        yield float(value) if isinstance(value, (int, float)) else None


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested config by their dotted keys."""
    for key, one in value.items():
        name = f"{prefix}{key}"
        if isinstance(one, dict) and one:
            yield from _flat(one, f"{name}.")
        else:
            yield name, one

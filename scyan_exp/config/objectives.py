"""What a config may name as its objective: metrics, which way is better, and what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scyan_exp.config.registry import Registry

Direction = Literal["minimize", "maximize"]
Need = Literal["labels", "batches", "training"]

#: The key of ``dataset`` that says that the cells have what a metric needs.
KEYS_OF_NEEDS: dict[Need, str] = {"labels": "label_key", "batches": "batch_key"}


@dataclass(frozen=True)
class Metric:
    """A number that says how good an annotation is.

    Attributes:
        name: as it is called in configs, results and W&B.
        direction: which way is better.
        needs: ``labels`` or ``batches`` of the cells, or a ``training`` of its own (a consensus
            has several).
        function: computes it; :mod:`scyan_exp.metrics` says what its arguments can be.
    """

    name: str
    direction: Direction
    needs: tuple[Need, ...]
    function: Callable[..., float]


#: Metrics in the order in which results show them.
METRICS: Registry[Metric] = Registry("metric", ("scyan_exp.metrics",))

"""What a trial must keep to be among the best: ``hydra.sweeper.constraints``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scyan_exp.config.objectives import METRICS
from scyan_exp.errors import near_matches

#: What a constraint looks like, such as ``n_missing_populations<=0``.
FORM = re.compile(r"\s*(\w+)\s*(<=|>=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
#: By how much a metric that is not finite violates a constraint.
NOT_FINITE = 1.0


@dataclass(frozen=True)
class Constraint:
    """A limit to a metric of a trial.

    Attributes:
        metric: its name.
        sign: ``<=`` or ``>=``.
        limit: the limit; it is allowed itself.
    """

    metric: str
    sign: str
    limit: float

    def __str__(self) -> str:
        limit = repr(self.limit).removesuffix(".0")
        return f"{self.metric}{self.sign}{limit}"

    def violation(self, metrics: Mapping[str, float | None]) -> float:
        """By how much a trial is beyond the limit; 0 or less where it is not.

        A metric that was not computed, or is not finite, is beyond it.
        """
        value = metrics.get(self.metric)
        if value is None:
            return NOT_FINITE
        return value - self.limit if self.sign == "<=" else self.limit - value


def parse_constraints(texts: Iterable[str]) -> list[Constraint]:
    """Constraints of the settings, checked by :func:`constraint_problems`."""
    found = [FORM.fullmatch(text) for text in texts]
    return [Constraint(one[1], one[2], float(one[3])) for one in found if one is not None]


def constraint_problems(texts: Sequence[object]) -> list[str]:
    """What is wrong with constraints as they were typed."""
    problems = []
    for text in texts:
        found = FORM.fullmatch(str(text))
        where = f"hydra.sweeper.constraints: {text!r}"
        if found is None:
            problems.append(
                f"{where}: expected a metric, <= or >=, and a number, such as "
                "'n_missing_populations<=0'"
            )
        elif found[1] not in METRICS:
            problems.append(f"{where}: {found[1]} is no metric.{near_matches(found[1], METRICS)}")
    return problems

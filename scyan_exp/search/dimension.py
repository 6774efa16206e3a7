"""One parameter of a search: what may be drawn, and how a value becomes an override."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Dimension:
    """One parameter of a search.

    Attributes:
        key: as in an override, such as ``model.lr``, ``flow`` or ``+trainer.min_epochs``.
        kind: ``float``, ``int`` or ``choice``.
        low: smallest value of a number.
        high: largest value, included.
        step: distance of possible values; None for any float between.
        log: whether a number is searched on a logarithmic scale.
        choices: the values of a choice.
        texts: the same as they stand in overrides.
    """

    key: str
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[Scalar, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the parameter in Optuna's study."""
        return self.key.lstrip("+")

    def override(self, value: Scalar) -> str:
        """The override that sets a value of this parameter."""
        if self.kind == "choice":
            index = int(self.distribution().to_internal_repr(value))
            return f"{self.key}={self.texts[index]}"
        return f"{self.key}={value!r}"

    def extremes(self) -> list[str]:
        """Overrides of the values to check before a search: the ends, or all choices."""
        if self.kind == "choice":
            return [f"{self.key}={text}" for text in self.texts]
        return [self.override(self.low), self.override(self.high)]

    def distribution(self) -> BaseDistribution:
        """The parameter as Optuna describes it."""
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.kind == "choice":
            return CategoricalDistribution(self.choices)
        if self.kind == "int":
            return IntDistribution(
                int(self.low), int(self.high), log=self.log, step=int(self.step or 1)
            )
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def __str__(self) -> str:
        """What is searched, in a few words. Two dimensions with the same words are the same."""
        if self.kind == "choice":
            return f"one of {', '.join(self.texts)}"
        step = f" in steps of {self.step:g}" if self.step is not None else ""
        log = " on a logarithmic scale" if self.log else ""
        return f"{self.kind} from {self.low!r} to {self.high!r}{step}{log}"


def dimension_of(parsed: Override) -> Dimension:
    """The parameter that an override of several values stands for.

    Raises:
        ValueError: a bad range.
    """
    key, value = parsed.get_key_element(), parsed.value()
    if isinstance(value, (list, Glob, ChoiceSweep)):
        return _choice(key, parsed)
    assert isinstance(value, Sweep)
    unknown = sorted(value.tags - {"log"})
    if unknown:
        raise ValueError(f"unknown tag {unknown[0]!r}; expected log")
    dimension = _number(key, value, "log" in value.tags)
    _require_range(dimension)
    return dimension


def _choice(key: str, parsed: Override) -> Dimension:
    """One of several values, or of the options of a group."""
    value = parsed.value()
    if isinstance(value, ChoiceSweep):
        value.shuffle = False  # an order means nothing to a search
    texts = tuple(parsed.sweep_string_iterator())
    choices = tuple(map(_scalar, parsed.sweep_iterator(Transformer.identity), texts))
    if not choices:
        raise ValueError("there are no values to choose from")
    for i, one in enumerate(choices):
        if one in choices[:i]:  # to Optuna, 1 and true are the same
            raise ValueError(f"two values are written alike: {texts[i]}")
    return Dimension(key, "choice", choices=choices, texts=texts)


def _require_range(dimension: Dimension) -> None:
    """Make sure that there is something between the ends of a range."""
    low, high = dimension.low, dimension.high
    if low >= high:
        raise ValueError(
            f"bad range: expected a lower end below the upper one, found {low:g} and {high:g}"
        )
    if dimension.log and low <= 0:
        raise ValueError(f"bad range: a logarithmic one must be above 0, found {low:g}")
    has_step = dimension.step is not None and (dimension.kind, dimension.step) != ("int", 1)
    if dimension.log and has_step:
        raise ValueError("a logarithmic range has no step; use tag(log, interval(...))")


def _number(key: str, value: Sweep, log: bool) -> Dimension:
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        _require_finite(value.start, value.end)
        kind: Literal["int", "float"] = "int" if isinstance(value.start, int) else "float"
        return Dimension(key, kind, value.start, value.end, 1 if kind == "int" else None, log)
    assert isinstance(value, RangeSweep)
    assert value.start is not None
    assert value.stop is not None
    _require_finite(value.start, value.stop, value.step)
    numbers = value.range()
    # A list of floats, but not of integers: there may be billions, of seeds for example.
    values = numbers if isinstance(numbers, range) else list(numbers)
    if not values:
        raise ValueError(f"bad range: there is no value from {value.start} to {value.stop}")
    if isinstance(values, range):
        low, high = sorted((values[0], values[-1]))
        return Dimension(key, "int", low, high, abs(value.step), log)
    # In decimals, as written: Optuna leaves out the last value where the steps do not add up to it.
    first, step = Decimal(str(value.start)), Decimal(str(value.step))
    last = first + (len(values) - 1) * step
    lowest, highest = sorted((float(first), float(last)))
    return Dimension(key, "float", lowest, highest, abs(value.step), log)


def _require_finite(*numbers: float) -> None:
    """Make sure that a range has ends."""
    if not all(map(math.isfinite, numbers)):
        found = ", ".join(f"{one:g}" for one in numbers)
        raise ValueError(f"bad range: expected finite numbers, found {found}")


def _scalar(value: Any, text: str) -> Scalar:
    """What Optuna stores of a choice; lists and dicts as text."""
    if isinstance(value, QuotedString):
        return value.text
    return value if value is None or isinstance(value, (str, int, float, bool)) else text

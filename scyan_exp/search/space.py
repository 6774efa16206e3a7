"""The search space, written in Hydra's own override grammar.

| written | searched |
| --- | --- |
| ``interval(0.15, 0.35)`` | any number between, both ends included |
| ``tag(log, interval(1e-4, 1e-3))`` | the same on a logarithmic scale |
| ``int(interval(2048, 16384))`` | whole numbers, both ends included |
| ``range(2, 5)``, ``range(0, 1, 0.25)`` | 2, 3, 4; 0, 0.25, 0.5, 0.75: the end excluded |
| ``choice(16, 32)``, ``16,32``, ``choice(shallow, deep)`` | one of these values or options |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from hydra.errors import HydraException

from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from optuna.distributions import BaseDistribution

Scalar = str | int | float | bool | None
#: What decides which trial is better, and so is the same for all.
UNSEARCHED = ("objective",)


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
        """How the parameter is called in the study."""
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
        ends = (int(end) if self.kind == "int" else end for end in (self.low, self.high))
        return [self.override(end) for end in dict.fromkeys(ends)]

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
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
        """What is searched, in a few words; the same for the same."""
        if self.kind == "choice":
            return f"one of {', '.join(self.texts)}"
        step = f" in steps of {self.step:g}" if self.step is not None else ""
        log = " on a logarithmic scale" if self.log else ""
        return f"{self.kind} from {self.low!r} to {self.high!r}{step}{log}"


@dataclass(frozen=True)
class Space:
    """What a search varies, and what it leaves as it is.

    Attributes:
        dimensions: the parameters.
        fixed: overrides of every trial.
    """

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...]

    def overrides(self, params: Mapping[str, Scalar]) -> list[str]:
        """The overrides of a trial."""
        return [*self.fixed, *(d.override(params[d.name]) for d in self.dimensions)]

    def distributions(self) -> dict[str, BaseDistribution]:
        """All parameters for Optuna."""
        return {d.name: d.distribution() for d in self.dimensions}

    def variants(self) -> list[list[str]]:
        """Overrides in which every extreme value occurs: their sum, not their product."""
        first = [d.extremes()[0] for d in self.dimensions]
        variants = [[*self.fixed, *first]]
        for i, dimension in enumerate(self.dimensions):
            for text in dimension.extremes()[1:]:
                variants.append([*self.fixed, *first[:i], text, *first[i + 1 :]])
        return variants


def parse_space(
    params: Mapping[str, Any],
    overrides: Sequence[str],
    config_loader: ConfigLoader | None = None,
) -> Space:
    """The space that the config and the command line give; the command line wins.

    Args:
        params: ``hydra.sweeper.params``: keys and what to search, or plain values.
        overrides: of the command line.
        config_loader: knows the options of groups, for ``glob(*)``.

    Raises:
        InputError: everything that is wrong with it.
    """
    parser = OverridesParser.create(config_loader)
    written = {_bare(str(key)): as_override(key, value) for key, value in params.items()}
    typed = {_bare(text.partition("=")[0]): text for text in overrides}
    dimensions, fixed, problems = [], [], []
    for text in {**written, **typed}.values():
        try:
            parsed = parser.parse_override(text)
            parsed.config_loader = config_loader  # which `parse_override` leaves out
            if not parsed.is_sweep_override():
                fixed.append(text)
            elif _bare(text).partition("=")[0] in UNSEARCHED or _bare(text).startswith("hydra."):
                raise ValueError("cannot be searched")
            else:
                dimensions.append(_dimension(parsed))
        except (HydraException, ValueError) as error:
            key, _, value = text.partition("=")
            problems.append(f"{key}={value}: {_reason(error)}")
    if not dimensions and not problems:
        problems.append(
            "nothing to search: give hydra.sweeper.params, or values such as "
            "'model.prior_std=interval(0.15,0.35)' on the command line, or search=quick"
        )
    if problems:
        raise InputError(problems, where="search space")
    return Space(tuple(dimensions), tuple(fixed))


def as_override(key: object, value: object) -> str:
    """A key and a value of YAML as Hydra's grammar has them; text stands for itself."""
    return f"{key}={value if isinstance(value, str) else quoted(value)}"


def quoted(value: object) -> str:
    """A value in Hydra's grammar; text in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{quoted(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(quoted, value)) + "]"
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    return repr(value)


def _bare(key: str) -> str:
    """A key without what adds or removes it, to find the same one written twice."""
    return key.strip().lstrip("+~")


def _dimension(parsed: Override) -> Dimension:
    """One parsed override.

    Raises:
        ValueError: a bad range.
    """
    key, value = parsed.get_key_element(), parsed.value()
    if isinstance(value, (list, Glob, ChoiceSweep)):
        if isinstance(value, ChoiceSweep):
            value.shuffle = False  # an order means nothing to a search
        texts = tuple(parsed.sweep_string_iterator())
        choices = tuple(map(_scalar, parsed.sweep_iterator(Transformer.identity), texts))
        if not choices:
            raise ValueError("there are no values to choose from")
        for i, one in enumerate(choices):
            if one in choices[:i]:  # to Optuna, 1 and true are the same
                raise ValueError(f"two values cannot be told apart: {texts[i]}")
        return Dimension(key, "choice", choices=choices, texts=texts)
    assert isinstance(value, Sweep)
    log = "log" in value.tags
    unknown = sorted(value.tags - {"log"})
    if unknown:
        raise ValueError(f"unknown tag {unknown[0]!r}; expected log")
    dimension = _number(key, value, log)
    if not (math.isfinite(dimension.low) and math.isfinite(dimension.high)):
        raise ValueError(
            f"bad range: expected finite ends, found {dimension.low:g} and {dimension.high:g}"
        )
    if dimension.low >= dimension.high:
        raise ValueError(
            f"bad range: expected a lower end below the upper one, found {dimension.low:g} and "
            f"{dimension.high:g}"
        )
    if log and dimension.low <= 0:
        raise ValueError(f"bad range: a logarithmic one must be above 0, found {dimension.low:g}")
    if log and dimension.step is not None and (dimension.kind, dimension.step) != ("int", 1):
        raise ValueError("a logarithmic range has no step; use tag(log, interval(...))")
    return dimension


def _number(key: str, value: Sweep, log: bool) -> Dimension:
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        kind: Literal["int", "float"] = "int" if isinstance(value.start, int) else "float"
        return Dimension(key, kind, value.start, value.end, 1 if kind == "int" else None, log)
    assert isinstance(value, RangeSweep)
    values = sorted(value.range())
    if not values:
        raise ValueError(f"bad range: there is no value from {value.start} to {value.stop}")
    whole = all(isinstance(one, int) for one in values)
    step = abs(value.step)
    if whole:
        return Dimension(key, "int", values[0], values[-1], step, log)
    # Steps from either end differ in the last digits, and Optuna wants a whole number of them.
    low, high = (round(end, 12) for end in (values[0], values[-1]))
    return Dimension(key, "float", low, high, step, log)


def _scalar(value: Any, text: str) -> Scalar:
    """What Optuna stores of a choice; lists and dicts as text."""
    if isinstance(value, QuotedString):
        return value.text
    return value if value is None or isinstance(value, (str, int, float, bool)) else text


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    unreadable = ("LexerNoViableAlt", "expecting", "viable")
    if lines and any(word in lines[0] for word in unreadable):
        return "cannot be read. Spaces look like interval(0.1,0.5), range(2,5), choice(16,32)"
    return lines[0] if lines else type(error).__name__

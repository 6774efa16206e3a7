"""Overrides that set plain values, and configs with such values in them.

A plain value is a number, a text, a boolean, null, or a list of these. Setting one changes this
value and no other, so that jobs that differ in plain values alone share all the rest.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

#: Where a value stands: keys of sections, and places in lists.
Place = tuple[str | int, ...]
#: What OmegaConf takes for more than text.
INTERPOLATION, MISSING = "${", "???"
_KEY = r"[A-Za-z_][A-Za-z0-9_]*"
#: Keys whose parts are what they seem; others are left to Hydra.
SIMPLE_KEY = re.compile(rf"{_KEY}(\.{_KEY})*")
#: An override of a whole number, such as a seed. There may be thousands of these, and Hydra's
#: parser takes a fifth of a millisecond for each.
WHOLE_NUMBER = re.compile(rf"({_KEY}(?:\.{_KEY})*)=([+-]?(?:0|[1-9][0-9]{{0,17}}))")


@dataclass(frozen=True)
class Setting:
    """An override that sets a plain value.

    Attributes:
        path: its key, in parts.
        value: what it sets.
    """

    path: tuple[str, ...]
    value: Any

    @property
    def kind(self) -> tuple[tuple[str, ...], bool]:
        """Overrides of one kind change a config in the same way, whatever their values."""
        return self.path, isinstance(self.value, list)


@dataclass(frozen=True)
class Special:
    """Any other override: only Hydra knows what it does.

    Attributes:
        path: the key that it changes, in parts; None for the choice of a group's option.
        sets_container: whether its value is merged into what is there.
    """

    path: tuple[str, ...] | None
    sets_container: bool = False


class OverrideReader:
    """Reads overrides, each text once.

    Args:
        is_group: whether a key names a config group.
    """

    def __init__(self, is_group: Callable[[str], bool]) -> None:
        self._is_group = is_group
        self._parser = OverridesParser.create()
        self._read: dict[str, Setting | Special] = {}
        self._groups: dict[str, bool] = {}

    def __call__(self, text: str) -> Setting | Special:
        """What an override does."""
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = self._whole_number(text) or self._parsed(text)
        return found

    def _whole_number(self, text: str) -> Setting | None:
        match = WHOLE_NUMBER.fullmatch(text)
        if match is None or self._names_group(match[1]) or is_of_hydra(text):
            return None
        return Setting(tuple(match[1].split(".")), int(match[2]))

    def _parsed(self, text: str) -> Setting | Special:
        try:
            override = self._parser.parse_override(text)
        except HydraException:  # which says it again, in its own words, when it composes this
            return Special(None)
        key = override.key_or_group
        is_choice = self._names_group(key) and not isinstance(override.value(), dict)
        path = tuple(key.split("."))
        if not is_choice and _sets_plain_value(override):
            return Setting(path, override.value())
        return Special(None if is_choice else path, isinstance(override.value(), (dict, list)))

    def _names_group(self, key: str) -> bool:
        known = self._groups.get(key)
        if known is None:
            known = self._groups[key] = self._is_group(key)
        return known


def _sets_plain_value(override: Override) -> bool:
    return (
        override.type == OverrideType.CHANGE
        and override.package is None
        and not override.is_sweep_override()
        and not override.is_hydra_override()
        and SIMPLE_KEY.fullmatch(override.key_or_group) is not None
        and is_plain(override.value())
    )


def is_plain(value: Any) -> bool:
    """Whether a value stands for itself wherever it is set."""
    if type(value) is list:
        return all(map(is_plain, value))
    if type(value) is str:
        return INTERPOLATION not in value and value != MISSING
    return value is None or type(value) in (bool, int) or is_finite_number(value)


def is_finite_number(value: Any) -> bool:
    """Whether a value is a number that JSON has too."""
    return type(value) is float and math.isfinite(value)


def is_json(value: Any) -> bool:
    """Whether JSON has this value, and gives it back as it is."""
    if type(value) is dict:
        return all(type(key) is str and is_json(one) for key, one in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    return value is None or type(value) in (bool, int, str) or is_finite_number(value)


def is_of_hydra(override: str) -> bool:
    """Whether an override changes Hydra's own part of a config."""
    return override.lstrip("+~").startswith(("hydra.", "hydra/"))


def overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two keys are the same, or one stands in the section that the other names."""
    n_shared = min(len(one), len(other))
    return tuple(one[:n_shared]) == tuple(other[:n_shared])


def with_values(plain: Mapping[str, Any], values: Mapping[Place, Any]) -> dict[str, Any]:
    """A config with other values in it. Sections in which nothing changes are the same objects.

    Args:
        plain: the config in plain containers.
        values: the values by their places, which are there.
    """
    changed = dict(plain)
    own: dict[Place, Any] = {(): changed}
    for place, value in values.items():
        for n in range(1, len(place)):
            if place[:n] not in own:
                parent, key = own[place[: n - 1]], place[n - 1]
                own[place[:n]] = parent[key] = copy.copy(parent[key])
        own[place[:-1]][place[-1]] = value
    return changed


def interpolations_in(plain: Any, place: Place = ()) -> Iterator[Place]:
    """Where a config in plain containers that is not resolved has interpolations."""
    if isinstance(plain, Mapping):
        for key, value in plain.items():
            yield from interpolations_in(value, (*place, key))
    elif isinstance(plain, list):
        for i, value in enumerate(plain):
            yield from interpolations_in(value, (*place, i))
    elif isinstance(plain, str) and INTERPOLATION in plain:
        yield place

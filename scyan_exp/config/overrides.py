"""Overrides of a command line: what they set, and the values that a sweep gives them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    Glob,
    IntervalSweep,
    Quote,
    QuotedString,
    RangeSweep,
)

from scyan_exp.config.compose import groups

FOLDER_FLAGS = ("--config-dir", "-cd")
#: Flags of Hydra whose value is the next argument.
VALUE_FLAGS = ("--package", "-p", "--cfg", "-c", "--config-name", "-cn", "--config-path", "-cp")
#: A flag of Hydra whose value may be left out, and what it can be.
INFO_FLAGS = ("--info", "-i")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


#: Containers within containers that a command line may have; Hydra's parser calls itself for each.
DEEPEST = 32


def nesting_problems(arguments: Sequence[str]) -> list[str]:
    """Arguments that would bring Hydra's parser to fall."""
    return [
        f"{argument[:40]}...: containers are nested too deeply (at most {DEEPEST})"
        for argument in arguments
        if _depth(argument) > DEEPEST
    ]


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        depth += (character in "[{(") - (character in "]})")
        deepest = max(deepest, depth)
    return deepest


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides, and the folders given with ``--config-dir``, of a command line."""
    overrides, config_dirs = [], []
    rest = iter(_without_info(arguments))
    for argument in rest:
        flag, _, value = argument.partition("=")
        if flag in FOLDER_FLAGS:
            config_dirs.append(value or next(rest, ""))
        elif flag in VALUE_FLAGS:
            if not value:
                next(rest, None)
        elif not argument.startswith("-"):
            overrides.append(argument)
    return overrides, config_dirs


def _without_info(arguments: Sequence[str]) -> list[str]:
    """A command line without the word that says what to tell of the config."""
    before = ["", *arguments]
    return [
        one
        for flag, one in zip(before, arguments, strict=False)
        if not (flag in INFO_FLAGS and one in INFO)
    ]


def flags_first(arguments: Sequence[str]) -> list[str]:
    """The same command line with its overrides last: Hydra takes them in one piece only."""
    flags, overrides = [], []
    takes_value = False
    for argument in arguments:
        is_override = not argument.startswith("-") and ("=" in argument or argument[:1] == "~")
        if takes_value or not is_override:
            flags.append(argument)
        else:
            overrides.append(argument)
        takes_value = not takes_value and argument in (*FOLDER_FLAGS, *VALUE_FLAGS)
    return [*flags, *overrides]


def with_multirun(arguments: Sequence[str]) -> list[str]:
    """A command line that chooses a search is a sweep, also without ``-m``."""
    overrides, _ = split_arguments(arguments)
    flags = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    searches = any(
        override.startswith("search=") and override not in ("search=null", "search=")
        for override in overrides
    )
    return ["-m", *arguments] if searches and flags <= set(FOLDER_FLAGS) else list(arguments)


def typed_value(key: str, overrides: Sequence[str]) -> str | None:
    """The value that overrides give a key last, as text; None if they do not name it."""
    values = [one for one in overrides if bare_key(one) == key]
    if not values:
        return None
    return str(OverridesParser.create().parse_override(values[-1]).value())


def choices_of(override: str, config_dirs: Sequence[str]) -> Iterator[str]:
    """What an override stands for: itself, or each value of its sweep."""
    parsed = OverridesParser.create().parse_override(override)
    value: Any = parsed.value()
    if isinstance(value, Glob):
        options = groups(config_dirs).get(parsed.key_or_group, [])
        yield from (f"{parsed.key_or_group}={option}" for option in value.filter(options))
        return
    if not parsed.is_sweep_override():
        yield override
        return
    prefix = override[: override.index(parsed.key_or_group)]
    if isinstance(value, (IntervalSweep, RangeSweep)):
        for end in _ends(value):
            yield f"{prefix}{parsed.key_or_group}={end!r}"
        return
    for value in parsed.sweep_string_iterator():
        yield f"{prefix}{parsed.key_or_group}={value}"


def _ends(value: IntervalSweep | RangeSweep) -> list[Any]:
    """The first and the last value: those between are as good as they."""
    values = [value.start, value.end] if isinstance(value, IntervalSweep) else list(value.range())
    return list(dict.fromkeys([*values[:1], *values[-1:]]))


def variants(choices: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """Command lines in which every value of every sweep occurs: their sum, not their product."""
    first = [values[0] for values in choices]
    yield first
    for i, values in enumerate(choices):
        for value in values[1:]:
            yield [*first[:i], value, *first[i + 1 :]]


def is_plain_value(override: str) -> bool:
    """Whether an override sets a value of an existing key of ours, and chooses no group."""
    key = override.partition("=")[0]
    is_special = key.startswith(("+", "~", "hydra.")) or "@" in key
    return not is_special and not is_group_choice(override) and "=" in override


def is_group_choice(override: str) -> bool:
    """Whether an override chooses an option of a group."""
    key = override.partition("=")[0].lstrip("+~")
    return "/" in key or key in groups()


def bare_key(override: str) -> str:
    """The key of an override, without what adds or removes it."""
    return override.partition("=")[0].strip().lstrip("+~")


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


def keys_and_values(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a config with dots in it, and its value; sections before their keys."""
    for key, value in plain.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from keys_and_values(value, f"{prefix}{key}.")


def flat(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A config with dots in its keys, without sections but for empty ones."""
    return {
        key: value
        for key, value in keys_and_values(plain)
        if not isinstance(value, Mapping) or not value
    }


def with_value(plain: Mapping[str, Any], override: str) -> dict[str, Any]:
    """The config with one more ``key=value``, whose key is there."""
    parsed = OverridesParser.create().parse_override(override)
    changed = copy.deepcopy(dict(plain))
    *parents, last = parsed.key_or_group.split(".")
    part = changed
    for parent in parents:
        part = part[parent]
    part[last] = parsed.value()
    return changed

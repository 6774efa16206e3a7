"""What is wrong with overrides: keys, options, values; all of it at once."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.check import Checker, composed_problems
from scyan_exp.config.compose import (
    COMPOSE_ERRORS,
    compose_config,
    first_lines,
    groups,
    options_of_hydra,
)
from scyan_exp.config.overrides import (
    choices_of,
    flat,
    is_group_choice,
    is_plain_value,
    keys_and_values,
    quoted,
    variants,
    with_value,
)
from scyan_exp.config.plain_values import (
    MISSING,
    OverrideReader,
    Setting,
    interpolations_in,
    with_values,
)
from scyan_exp.config.schema import TRAINER_ARGUMENTS
from scyan_exp.errors import InputError, listed, near_matches

#: Keys of ``trainer`` that can be added and are not there by default.
UNSET_TRAINER_KEYS = {*TRAINER_ARGUMENTS, "max_steps"}
#: Words of Hydra's parser where it cannot read an override.
UNREADABLE = ("expecting", "viable", "token recognition")


def override_problems(
    overrides: Sequence[str], config_dirs: Sequence[str], several: bool
) -> tuple[list[str], list[list[str]]]:
    """What is wrong with overrides; and the choices that each of the others stands for.

    If they do not compose together, each is composed on its own after the good ones before it,
    groups first, so that every bad one is found; then the values of what does compose are checked.

    Args:
        overrides: as on the command line.
        config_dirs: folders with groups of the user's own.
        several: whether several values are allowed, as in a sweep.
    """
    try:
        good = [list(choices_of(override, config_dirs)) for override in overrides]
        if all(len(choices) == 1 or (choices and several) for choices in good):
            found = [*_repeated_values(good), *_all_value_problems(good, config_dirs)]
            return list(dict.fromkeys(found)), good
    except COMPOSE_ERRORS:
        pass  # which of them does not compose is found one by one
    return _one_by_one(overrides, config_dirs, several)


def _one_by_one(
    overrides: Sequence[str], config_dirs: Sequence[str], several: bool
) -> tuple[list[str], list[list[str]]]:
    """As :func:`override_problems`, adding one override after the other."""
    problems: list[str] = []
    good: list[list[str]] = []
    for override in sorted(overrides, key=lambda text: not is_group_choice(text)):
        before, tried = [choices[0] for choices in good], override
        try:
            choices = list(choices_of(override, config_dirs))
            if len(choices) > 1 and not several:
                key, _, values = override.partition("=")
                hint = f". {in_quotes(key, values)}" if key.endswith("path") else ""
                problems.append(
                    f"{override}: several values; add -m for a sweep, or write a list: "
                    f"{key}=[{values}]{hint}"
                )
                continue
            if not choices:
                problems.append(f"{override}: there are no values to sweep over")
                continue
            for tried in choices[:1] if is_plain_value(override) else choices:
                compose_config([*before, tried], config_dirs)
        except COMPOSE_ERRORS as reason:
            problems.append(_sentence(tried, reason, before, config_dirs))
        else:
            good.append(choices)
    found = [*problems, *_repeated_values(good), *_all_value_problems(good, config_dirs)]
    return list(dict.fromkeys(found)), good


def _repeated_values(choices: Sequence[Sequence[str]]) -> Iterator[str]:
    """Values that a sweep has twice: their jobs would be the same."""
    for values in choices:
        repeated = [value for value, n in Counter(values).items() if n > 1]
        if repeated:
            yield f"{listed(repeated)}: given twice, so that jobs would be the same; leave one out"


def _all_value_problems(
    choices: Sequence[Sequence[str]], config_dirs: Sequence[str]
) -> Iterator[str]:
    """What is wrong with the values of every variant.

    Composing takes a tenth of a second, so the further values of plain keys are put into the
    composed config of the first ones.
    """
    plain_ones = [values for values in choices if is_plain_value(values[0])]
    composed = [values[:1] if values in plain_ones else values for values in choices]
    for overrides in variants(composed):
        config = compose_config(overrides, config_dirs)
        yield from map(str, composed_problems(config))
        if overrides == [values[0] for values in composed]:
            further = [value for values in plain_ones for value in values[1:]]
            yield from _further_problems(plain_config(config), further)


def _further_problems(plain: dict[str, Any], overrides: Sequence[str]) -> Iterator[str]:
    """What is wrong with a config that has one more value, for each of many.

    Without interpolations, the value is all that changes.
    """
    is_simple = not any(interpolations_in(plain)) and MISSING not in flat(plain).values()
    check, read = Checker(plain) if is_simple else None, OverrideReader(lambda key: False)
    for override in overrides:
        one = read(override)
        if check is None or not isinstance(one, Setting):
            yield from map(str, composed_problems(OmegaConf.create(with_value(plain, override))))
            continue
        try:
            check(with_values(plain, {one.path: one.value}))
        except InputError as error:
            yield from error.problems


def _sentence(
    override: str, reason: Exception, good: Sequence[str], config_dirs: Sequence[str]
) -> str:
    """What is wrong with one override, in terms of what was typed."""
    key, _, value = override.lstrip("+~").partition("=")
    options = groups(config_dirs)
    if isinstance(reason, MissingConfigException) and key.startswith("hydra/"):
        options[key] = options_of_hydra(key, config_dirs)
    if isinstance(reason, MissingConfigException) and options.get(key):
        hint = near_matches(value, options[key])
        return f"{key}={value}: no such option.{hint} {key} can be {', '.join(options[key])}"
    if isinstance(reason, ConfigCompositionException) and "Could not override" in str(reason):
        of_hydra = key.startswith("hydra.")
        config = compose_config(good, config_dirs, with_hydra=of_hydra)
        known = [*(key for key, _ in keys_and_values(plain_config(config))), *options]
        if key in known:
            return f"{override}: {first_lines(reason)}"
        if key.startswith("trainer.") and key.removeprefix("trainer.") in UNSET_TRAINER_KEYS:
            return f"{key}: is not set by default; write +{override}"
        parents = {key.rsplit(".", n)[0] for n in range(1, key.count(".") + 1)}
        others = [k for k in known if k not in parents and not k.endswith("_target_")]
        return f"{key}: unknown key.{near_matches(key, others)}"
    if any(word in str(reason) for word in UNREADABLE):
        if key.endswith("path"):
            return f"{override}: cannot be read. {in_quotes(key, value)}"
        return f"{override}: cannot be read. Values look like key=1, key=[1,2], key={{a:1}}"
    return f"{override}: {first_lines(reason)}"


def in_quotes(key: str, value: str) -> str:
    """How a path with characters of Hydra's grammar is written in a shell."""
    is_simple = not {*value} & {"'", '"', "\\"}
    written = f"'{key}=\"{value}\"'" if is_simple else shlex.quote(f"{key}={quoted(value)}")
    return f"A path with any of = , ' [ ] {{ }} goes in quotes: {written}"


def plain_config(config: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations and missing values as they stand."""
    plain: Any = OmegaConf.to_container(config)
    return plain

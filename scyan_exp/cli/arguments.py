"""The arguments of the commands that look at folders: paths, ``key=value`` and flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.errors import InputError, near_matches


@dataclass(frozen=True)
class Given:
    """What was typed after a command.

    Attributes:
        paths: what is neither an option nor a flag.
        options: the values of ``key=value``.
        flags: such as ``--yes``.
    """

    paths: Sequence[Path]
    options: Mapping[str, str]
    flags: frozenset[str]


def parse(
    arguments: Sequence[str],
    usage: str,
    n_paths: tuple[int, int],
    options: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> Given:
    """Tell paths, options and flags from each other. A path may contain ``=``, as jobs' do.

    Args:
        arguments: what was typed after the command.
        usage: how the command is used.
        n_paths: how many paths it takes, at least and at most.
        options: the keys that it knows.
        flags: the flags that it knows.

    Raises:
        InputError: an unknown option or flag, or too few or too many paths.
    """
    given = {one.partition("=")[0]: one.partition("=")[2] for one in arguments if "=" in one}
    known = {key: value for key, value in given.items() if key in options}
    rest = [one for one in arguments if "=" not in one or one.partition("=")[0] not in options]
    paths = [one for one in rest if one not in flags]
    unknown = [one for one in paths if _is_unknown(one)]
    if unknown:
        choices = [*(f"{one}=" for one in options), *flags]
        hints = [f"{one}: unknown.{near_matches(_key(one), choices)}" for one in unknown]
        raise InputError(hints if len(hints) > 1 else f"{hints[0]} {usage}")
    if not n_paths[0] <= len(paths) <= n_paths[1]:
        raise InputError(usage)
    return Given([Path(one) for one in paths], known, frozenset(rest) & frozenset(flags))


def _is_unknown(argument: str) -> bool:
    """Whether an argument is no path: an option of other commands, or a slip."""
    return argument.startswith("-") or ("=" in argument and not Path(argument).exists())


def _key(argument: str) -> str:
    key, equals, _ = argument.partition("=")
    return key + equals

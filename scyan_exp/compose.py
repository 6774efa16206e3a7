"""Composing configs: where they are, and what is wrong when they do not compose."""

from __future__ import annotations

import copy
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, RangeSweep
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.config import config_problems
from scyan_exp.errors import InputError, near_matches
from scyan_exp.schemas import TRAINER_ARGUMENTS
from scyan_exp.search.settings import check_study
from scyan_exp.search.space import as_override, parse_space

#: Keys of ``trainer`` that can be added and are not there by default.
UNSET_TRAINER_KEYS = {*TRAINER_ARGUMENTS, "max_steps"}
#: What Hydra's own part of the config may make: its parts, and handlers of the log.
HYDRA_TARGETS = re.compile(
    r"(hydra\._internal|hydra_plugins)\..*|optuna\.(samplers|pruners)\.[A-Z]\w*"
)
LOG_CLASSES = ("scyan_exp.logs.TerminalHandler", "logging.FileHandler", "logging.StreamHandler")
#: Flags of Hydra that would replace what is checked here.
REFUSED_FLAGS = {
    "--experimental-rerun": "reads a pickle, which can run any code; not supported",
    **dict.fromkeys(
        ("--config-name", "-cn", "--config-path", "-cp"),
        "not supported; add groups with --config-dir and choose with experiment=...",
    ),
}
#: Packages of launchers, and our extras that install them.
EXTRAS = {
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
}
FOLDER_FLAGS = ("--config-dir", "-cd")
#: Flags of Hydra whose value is the next argument.
VALUE_FLAGS = ("--package", "-p", "--cfg", "-c")

#: What composing raises; Hydra uses ValueError for values that cannot name a group's option.
COMPOSE_ERRORS = (HydraException, MissingConfigException, OmegaConfBaseException, ValueError)


def configs_folder() -> Path:
    """The folder of our YAML files: in the package when installed, else beside it."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def compose_config(
    overrides: Sequence[str], config_dirs: Sequence[str] = (), *, with_hydra: bool = False
) -> DictConfig:
    """The config that a command line composes, without running it.

    Args:
        overrides: as on the command line, without sweeps.
        config_dirs: folders with groups of the user's own, as with ``--config-dir``.
        with_hydra: keep Hydra's own part of the config.
    """
    configs = str(configs_folder())
    with warnings.catch_warnings(), initialize_config_dir(configs, version_base="1.3"):
        quiet_presets()
        all_overrides = [*_search_path(config_dirs), *overrides]
        return compose("train", overrides=all_overrides, return_hydra_config=with_hydra)


def quiet_presets() -> None:
    """Our presets of others' launchers bear their names and are checked against their schemas.

    That is meant; Hydra warns of it.
    """
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against")


def command_problems(arguments: Sequence[str]) -> list[str]:
    """Everything that is wrong with a command line: keys, options, values, also of sweeps.

    If they do not compose together, each override is composed on its own after the good ones
    before it, groups first, so that every bad one is found; then the values of what does compose
    are checked.

    Args:
        arguments: the command line as Hydra gets it.
    """
    overrides, config_dirs = _split(arguments)
    absent = [folder for folder in config_dirs if not Path(folder).is_dir()]
    if absent:
        return [f"--config-dir: no such folder: {folder}" for folder in absent]
    several = bool({"-m", "--multirun"} & set(arguments))
    problems, good = _override_problems(overrides, config_dirs, several)
    searched, of_search = _searched([choices[0] for choices in good], overrides, config_dirs)
    problems += of_search
    if searched:
        problems += _override_problems([*overrides, *searched], config_dirs, several)[0]
    return list(dict.fromkeys(problems))


def with_multirun(arguments: Sequence[str]) -> list[str]:
    """A command line that chooses a search is a sweep, also without ``-m``."""
    overrides, _ = _split(arguments)
    flags = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    searches = any(
        override.startswith("search=") and override not in ("search=null", "search=")
        for override in overrides
    )
    return ["-m", *arguments] if searches and flags <= set(FOLDER_FLAGS) else list(arguments)


def _searched(
    good: Sequence[str], overrides: Sequence[str], config_dirs: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What a search in the config varies, as overrides; and what is wrong with the search.

    Args:
        good: overrides that compose.
        overrides: all of them, with their ranges.
        config_dirs: folders with groups of the user's own.
    """
    sweeper = compose_config(good, config_dirs, with_hydra=True).hydra.sweeper
    if "study_sweeper" not in str(sweeper.get("_target_")):
        return [], []
    values: Any = OmegaConf.to_container(sweeper, resolve=True)
    params = values["params"]
    if not isinstance(params, dict):
        return [], [f"hydra.sweeper.params: expected keys and what to search, found {params!r}"]
    given = {_bare_key(override) for override in overrides}
    wanted = {str(key): value for key, value in params.items() if _bare_key(str(key)) not in given}
    written = [as_override(key, value) for key, value in wanted.items()]
    ranges = [text for text in [*overrides, *written] if "glob(" not in text]
    problems = []
    for check in (
        lambda: parse_space({}, [*ranges, "seed=0,1"]),  # one that is there, if no other is
        lambda: check_study({k: v for k, v in values.items() if not k.startswith("_")}),
    ):
        try:
            check()
        except InputError as error:
            problems += error.problems
    bad = tuple(problem.partition("=")[0] + "=" for problem in problems)
    return [text for text in written if not text.startswith(bad)] if bad else written, problems


def _bare_key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _override_problems(
    overrides: Sequence[str], config_dirs: Sequence[str], several: bool
) -> tuple[list[str], list[list[str]]]:
    """What is wrong with overrides; and the choices that each of the others stands for.

    Args:
        overrides: as on the command line.
        config_dirs: folders with groups of the user's own.
        several: whether several values are allowed, as in a sweep.
    """
    try:
        good = [list(_choices(override, config_dirs)) for override in overrides]
        if all(len(choices) == 1 or (choices and several) for choices in good):
            return list(dict.fromkeys(_all_value_problems(good, config_dirs))), good
    except COMPOSE_ERRORS:
        pass  # which of them does not compose is found one by one
    return _one_by_one(overrides, config_dirs, several)


def _one_by_one(
    overrides: Sequence[str], config_dirs: Sequence[str], several: bool
) -> tuple[list[str], list[list[str]]]:
    """As :func:`_override_problems`, adding one override after the other."""
    problems: list[str] = []
    good: list[list[str]] = []
    for override in sorted(overrides, key=lambda text: not _is_group_choice(text)):
        before = [choices[0] for choices in good]
        try:
            choices = list(_choices(override, config_dirs))
            if len(choices) > 1 and not several:
                key, _, values = override.partition("=")
                problems.append(
                    f"{override}: several values; add -m for a sweep, or write a list: "
                    f"{key}=[{values}]"
                )
                continue
            if not choices:
                problems.append(f"{override}: there are no values to sweep over")
                continue
            for choice in choices[:1] if _is_plain_value(override) else choices:
                compose_config([*before, choice], config_dirs)
        except COMPOSE_ERRORS as reason:
            problems.append(_sentence(override, reason, before, config_dirs))
        else:
            good.append(choices)
    found = [*problems, *_all_value_problems(good, config_dirs)]
    return list(dict.fromkeys(found)), good


def unsafe_problems(arguments: Sequence[str]) -> list[str]:
    """What a command line would make Hydra run or unpickle before the config is checked.

    Hydra instantiates ``hydra.launcher``, ``hydra.sweeper``, ``hydra.callbacks`` and the handlers
    of its logs itself, so the targets in its own part of the config are checked here, for every
    value of a sweep. What does not compose is refused too.
    """
    flags = {argument.partition("=")[0] for argument in arguments}
    refused = [f"{flag}: {REFUSED_FLAGS[flag]}" for flag in sorted(flags & set(REFUSED_FLAGS))]
    if refused:
        return refused
    overrides, config_dirs = _split(arguments)
    if not all(Path(folder).is_dir() for folder in config_dirs):
        return command_problems(arguments)
    try:
        choices = [list(_choices(one, config_dirs)) for one in overrides]
        # A plain value changes nothing in Hydra's part, which is looked at unresolved.
        several = [
            values[:1] if _is_plain_value(one) else values
            for one, values in zip(overrides, choices, strict=True)
        ]
        variants = list(_variants(several))
        configs = [compose_config(one, config_dirs, with_hydra=True) for one in variants]
    except (*COMPOSE_ERRORS, IndexError) as error:
        return command_problems(arguments) or [first_lines(error)]
    parts: list[Any] = [OmegaConf.to_container(c.hydra, resolve=False) for c in configs]
    found = [p for part in parts for p in (*_unsafe(part, "hydra"), *_not_installed(part))]
    return list(dict.fromkeys(found))


def _not_installed(hydra_part: Mapping[str, Any]) -> Iterator[str]:
    """Launchers whose package is an extra."""
    target = str(hydra_part["launcher"]["_target_"])
    package = ".".join(target.split(".")[:2])
    if package in EXTRAS and importlib.util.find_spec(package) is None:
        choice = hydra_part["runtime"]["choices"].get("hydra/launcher")
        yield f"hydra/launcher={choice}: not installed; pip install 'scyan_exp[{EXTRAS[package]}]'"


def _unsafe(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, list):
        for i, one in enumerate(value):
            yield from _unsafe(one, f"{where}[{i}]")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            refused = (
                (key == "_target_" and not HYDRA_TARGETS.fullmatch(str(one)))
                or (key == "class" and one not in LOG_CLASSES)
                or key == "()"
            )
            if refused:
                yield f"{where}.{key}: {one!r} is not allowed"
            yield from _unsafe(one, f"{where}.{key}")
    elif str(value).startswith("ext://") and value not in ("ext://sys.stdout", "ext://sys.stderr"):
        yield f"{where}: {value!r} is not allowed"


def first_lines(error: Exception) -> str:
    """What Hydra or OmegaConf said, without the part meant for programmers."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key", "object_type"))]
    cause = error.__cause__
    if isinstance(cause, COMPOSE_ERRORS):
        kept.append(first_lines(cause))
    return ": ".join(dict.fromkeys(kept[:3]))


def _variants(choices: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """Command lines in which every value of every sweep occurs: their sum, not their product."""
    first = [values[0] for values in choices]
    yield first
    for i, values in enumerate(choices):
        for value in values[1:]:
            yield [*first[:i], value, *first[i + 1 :]]


def _all_value_problems(
    choices: Sequence[Sequence[str]], config_dirs: Sequence[str]
) -> Iterator[str]:
    """What is wrong with the values of every variant.

    Composing takes a tenth of a second, so the further values of plain keys are put into the
    composed config of the first ones.
    """
    composed = [values[:1] if _is_plain_value(values[0]) else values for values in choices]
    for overrides in _variants(composed):
        config = compose_config(overrides, config_dirs)
        missing = sorted(OmegaConf.missing_keys(config))
        yield from (
            f"{key}: a value is required ({key}=... on the command line)" for key in missing
        )
        plain = _plain(config)
        yield from _given_problems(plain)
        if overrides == [values[0] for values in composed]:
            further = (value for values in choices for value in values[1:])
            for value in filter(_is_plain_value, further):
                yield from _given_problems(_with_value(plain, value))


def _given_problems(plain: Mapping[str, Any]) -> Iterator[str]:
    yield from (problem for problem in config_problems(plain) if "'???'" not in problem)


def _with_value(plain: Mapping[str, Any], override: str) -> dict[str, Any]:
    """The config with one more ``key=value``, whose key is there."""
    parsed = OverridesParser.create().parse_override(override)
    changed = copy.deepcopy(dict(plain))
    *parents, last = parsed.key_or_group.split(".")
    part = changed
    for parent in parents:
        part = part[parent]
    part[last] = parsed.value()
    return changed


def _is_plain_value(override: str) -> bool:
    """Whether an override sets a value of an existing key of ours, and chooses no group."""
    key = override.partition("=")[0]
    is_special = key.startswith(("+", "~", "hydra.")) or "@" in key
    return not is_special and not _is_group_choice(override) and "=" in override


def _choices(override: str, config_dirs: Sequence[str]) -> Iterator[str]:
    """What an override stands for: itself, or each value of its sweep."""
    parsed = OverridesParser.create().parse_override(override)
    value: Any = parsed.value()
    if isinstance(value, Glob):
        options = _groups(config_dirs).get(parsed.key_or_group, [])
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


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides, and the folders given with ``--config-dir``, of a command line."""
    overrides, config_dirs = [], []
    rest = iter(arguments)
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


def _search_path(config_dirs: Sequence[str]) -> list[str]:
    if not config_dirs:
        return []
    folders = ",".join(f"file://{Path(folder).resolve()}" for folder in config_dirs)
    return [f"hydra.searchpath=[{folders}]"]


def _groups(config_dirs: Sequence[str] = ()) -> dict[str, list[str]]:
    """The config groups and their options; files starting with ``_`` are parts of others."""
    groups: dict[str, list[str]] = {}
    for folder in (configs_folder(), *map(Path, config_dirs)):
        for path in sorted(folder.glob("*/*.yaml")):
            if not path.stem.startswith("_"):
                groups.setdefault(path.parent.name, []).append(path.stem)
    return groups


def _is_group_choice(override: str) -> bool:
    key = override.partition("=")[0].lstrip("+~")
    return "/" in key or key in _groups()


def _sentence(
    override: str, reason: Exception, good: Sequence[str], config_dirs: Sequence[str]
) -> str:
    """What is wrong with one override, in terms of what was typed."""
    key, _, value = override.lstrip("+~").partition("=")
    groups = _groups(config_dirs)
    if isinstance(reason, MissingConfigException) and key in groups:
        hint = near_matches(value, groups[key])
        return f"{key}={value}: no such option.{hint} {key} can be {', '.join(groups[key])}"
    if isinstance(reason, ConfigCompositionException) and "Could not override" in str(reason):
        of_hydra = key.startswith("hydra.")
        config = compose_config(good, config_dirs, with_hydra=of_hydra)
        known = [*_flat_keys(_plain(config)), *groups]
        if key in known:
            return f"{override}: {first_lines(reason)}"
        if key.startswith("trainer.") and key.removeprefix("trainer.") in UNSET_TRAINER_KEYS:
            return f"{key}: is not set by default; write +{override}"
        parents = {key.rsplit(".", n)[0] for n in range(1, key.count(".") + 1)}
        others = [k for k in known if k not in parents and not k.endswith("_target_")]
        return f"{key}: unknown key.{near_matches(key, others)}"
    if "LexerNoViableAlt" in str(reason) or "expecting" in str(reason) or "viable" in str(reason):
        return f"{override}: cannot be read. Values look like key=1, key=[1,2], key={{a:1}}"
    return f"{override}: {first_lines(reason)}"


def _plain(config: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations and missing values as they stand."""
    plain: Any = OmegaConf.to_container(config, throw_on_missing=False)
    return plain


def _flat_keys(plain: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of a config, in dots."""
    for key, value in plain.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat_keys(value, f"{prefix}{key}.")

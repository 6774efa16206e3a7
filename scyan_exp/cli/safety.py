"""What a command line must not make Hydra run or unpickle."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.cli.problems import command_problems
from scyan_exp.config.compose import COMPOSE_ERRORS, compose_config, first_lines, groups
from scyan_exp.config.extensions import extension_configs
from scyan_exp.config.hydra_part import hydra_problems
from scyan_exp.config.overrides import choices_of, is_plain_value, split_arguments, variants
from scyan_exp.search.makers import OUR_PRUNERS

#: A key outside of Hydra's part, neither added nor removed, and of no group within a group.
OUR_KEY = re.compile(r"(?!hydra\b)[A-Za-z_][\w.]*", re.ASCII)
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


def unsafe_problems(arguments: Sequence[str]) -> list[str]:
    """What a command line would make Hydra run or unpickle before the config is checked.

    Hydra instantiates ``hydra.launcher``, ``hydra.sweeper``, ``hydra.callbacks`` and the handlers
    of its logs itself, so the targets in its own part of the config are checked here, for every
    value of a sweep. What does not compose is refused too, unless it cannot reach that part.
    """
    flags = {argument.partition("=")[0] for argument in arguments}
    refused = [f"{flag}: {REFUSED_FLAGS[flag]}" for flag in sorted(flags & set(REFUSED_FLAGS))]
    if refused:
        return refused
    overrides, config_dirs = split_arguments(arguments)
    if not all(Path(folder).is_dir() for folder in config_dirs):
        return command_problems(arguments)
    if not config_dirs and not extension_configs() and _are_ours(overrides):
        return []
    try:
        choices = [list(choices_of(one, config_dirs)) for one in overrides]
        # A plain value changes nothing in Hydra's part, which is looked at unresolved.
        several = [
            values[:1] if is_plain_value(one) else values
            for one, values in zip(overrides, choices, strict=True)
        ]
        configs = [compose_config(one, config_dirs, with_hydra=True) for one in variants(several)]
    except (*COMPOSE_ERRORS, IndexError) as error:
        return command_problems(arguments) or [first_lines(error)]
    parts: list[Any] = [OmegaConf.to_container(c.hydra, resolve=False) for c in configs]
    found = [
        p
        for part in parts
        for p in (*hydra_problems(part, "hydra", OUR_PRUNERS), *_not_installed(part))
    ]
    return list(dict.fromkeys(found))


def _are_ours(overrides: Sequence[str]) -> bool:
    """Whether overrides only set values of ours and choose files of ours by their bare names.

    Hydra's part of the config is then as our files have it, and need not be composed to be checked.
    """
    options = groups()
    for override in overrides:
        key, sets, value = override.partition("=")
        if not sets or not OUR_KEY.fullmatch(key):
            return False
        if key in options and not set(value.split(",")) <= set(options[key]):
            return False
    return True


def _not_installed(hydra_part: Mapping[str, Any]) -> Iterator[str]:
    """Launchers whose package is an extra."""
    target = str(hydra_part["launcher"]["_target_"])
    package = ".".join(target.split(".")[:2])
    if package in EXTRAS and importlib.util.find_spec(package) is None:
        choice = hydra_part["runtime"]["choices"].get("hydra/launcher")
        yield f"hydra/launcher={choice}: not installed; pip install 'scyan_exp[{EXTRAS[package]}]'"

"""Composing configs: where they are, and what is wrong when they do not compose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.errors import InputError, near_matches


def configs_folder() -> Path:
    """The folder of our YAML files: in the package when installed, else beside it."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def explain_composition(arguments: Sequence[str], error: Exception) -> InputError:
    """Say everything that keeps a command line from composing, after Hydra said one thing.

    Args:
        arguments: the command line as Hydra got it.
        error: what Hydra raised.
    """
    problems = []
    good = []
    for argument in arguments:
        override = _parse(argument)
        if override is None:
            continue
        if override.is_sweep_override():
            override = next(iter(_swept(override)), override)
        try:
            _compose([*good, _text(override, argument)])
            good.append(_text(override, argument))
        except (HydraException, OmegaConfBaseException) as reason:
            problems.append(_sentence(override, reason, good))
    if not problems:
        return InputError(_first_lines(error))
    from scyan_exp.config import config_problems

    plain = OmegaConf.to_container(_compose(good), resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    problems += [p for p in config_problems(plain) if "'???'" not in p]
    return InputError(problems, where="config")


def flat_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """Every key of a config, in dots."""
    keys = []
    for key in config:
        name = f"{prefix}{key}"
        keys.append(name)
        if OmegaConf.is_dict(config._get_node(key)):
            keys += flat_keys(config[key], f"{name}.")
    return keys


def group_options(group: str) -> list[str]:
    """The files of a config group."""
    folder = configs_folder() / group
    return sorted(p.stem for p in folder.glob("*.yaml") if not p.stem.startswith("_"))


def _compose(overrides: Iterable[str]) -> DictConfig:
    with initialize_config_dir(str(configs_folder()), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def _parse(argument: str) -> Override | None:
    if argument.startswith("-"):
        return None
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None


def _swept(override: Override) -> Iterable[Override]:
    return []


def _text(override: Override, argument: str) -> str:
    return argument


def _sentence(override: Override, reason: Exception, good: Sequence[str]) -> str:
    return str(reason)


def _first_lines(error: Exception) -> str:
    return str(error)

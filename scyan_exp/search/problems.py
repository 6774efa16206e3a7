"""What is wrong with the search of a command line, before Hydra starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.config.compose import compose_config, first_lines
from scyan_exp.config.overrides import as_override, bare_key
from scyan_exp.errors import InputError
from scyan_exp.search.settings import check_study
from scyan_exp.search.space import read_space


def search_problems(
    good: Sequence[str], overrides: Sequence[str], config_dirs: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What is wrong with a search in the config; and what it varies, as overrides.

    Args:
        good: overrides that compose.
        overrides: all of them, with their ranges.
        config_dirs: folders with groups of the user's own.

    Returns:
        The problems, and the overrides of ``hydra.sweeper.params`` that can be read. Both are
        empty without a search.
    """
    sweeper = compose_config(good, config_dirs, with_hydra=True).hydra.sweeper
    if "study_sweeper" not in str(sweeper.get("_target_")):
        return [], []
    try:
        values: Any = OmegaConf.to_container(sweeper, resolve=True)
    except OmegaConfBaseException as error:  # such as a variable that is not in the environment
        return [f"{error.full_key}: {first_lines(error)}"], []
    params = values["params"]
    if not isinstance(params, dict):
        return [f"hydra.sweeper.params: expected keys and what to search, found {params!r}"], []
    written = _written(params, overrides)
    last = {bare_key(text): text for text in [*overrides, *written]}  # of a key given twice
    # The options behind a glob are known only to Hydra's loader.
    _, bad = read_space([text for text in last.values() if "glob(" not in text])
    problems = [*bad.values(), *_settings_problems(values)]
    return problems, [text for text in written if text not in bad]


def _written(params: Mapping[Any, Any], overrides: Sequence[str]) -> list[str]:
    """The overrides of ``hydra.sweeper.params`` that the command line does not replace."""
    given = {bare_key(override) for override in overrides}
    return [
        as_override(key, value) for key, value in params.items() if bare_key(str(key)) not in given
    ]


def _settings_problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with ``hydra.sweeper``."""
    try:
        check_study({key: value for key, value in values.items() if not key.startswith("_")})
    except InputError as error:
        return error.problems
    return []

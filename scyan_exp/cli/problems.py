"""What is wrong with a command line: its overrides, and the search that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scyan_exp.config.overrides import split_arguments
from scyan_exp.config.problems import override_problems
from scyan_exp.search.problems import search_problems


def command_problems(arguments: Sequence[str]) -> list[str]:
    """Everything that is wrong with a command line: keys, options, values, also of sweeps.

    Args:
        arguments: the command line as Hydra gets it.
    """
    overrides, config_dirs = split_arguments(arguments)
    absent = [folder for folder in config_dirs if not Path(folder).is_dir()]
    if absent:
        return [f"--config-dir: no such folder: {folder}" for folder in absent]
    several = bool({"-m", "--multirun"} & set(arguments))
    problems, good = override_problems(overrides, config_dirs, several)
    of_search, searched = search_problems([choices[0] for choices in good], overrides, config_dirs)
    problems += of_search
    if searched:
        problems += override_problems([*overrides, *searched], config_dirs, several)[0]
    return list(dict.fromkeys(problems))

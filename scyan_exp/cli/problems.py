"""What is wrong with a command line: its overrides, and the search that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scyan_exp.config.overrides import split_arguments, typed_value
from scyan_exp.config.problems import override_problems
from scyan_exp.errors import InputError
from scyan_exp.run.locking import require_free
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


def folder_problems(arguments: Sequence[str]) -> list[str]:
    """What is wrong with the folder that a command line names for its results.

    Args:
        arguments: the command line as Hydra gets it; it composes.
    """
    overrides, _ = split_arguments(arguments)
    problems = []
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        folder = typed_value(key, overrides)
        if folder == "":
            problems.append(
                f"{key}: names no folder, so the results would land in the current one; leave it "
                f"out, or write {key}=FOLDER"
            )
        elif folder is not None and "${" not in folder and key == "hydra.run.dir":
            problems += _in_use(Path(folder))
    return problems


def _in_use(folder: Path) -> list[str]:
    """Before Hydra writes its files over those of the run that is going on there."""
    try:
        require_free(folder)
    except InputError as error:
        return [str(error)]
    except OSError:  # of a folder that is not ours: told when it is written to
        pass
    return []

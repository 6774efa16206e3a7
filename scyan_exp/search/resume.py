"""The command that goes on with a search."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.config.earlier import MEANT
from scyan_exp.config.overrides import as_override, bare_key
from scyan_exp.errors import InputError, near_matches
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.run.folder import SweepFolder
from scyan_exp.search.description import read_description
from scyan_exp.search.settings import OF_JOBS, StudySettings

#: Spaces of presets of earlier versions, as ``study.json`` names them, and as one types them.
SEARCHED = {
    ("model.batch_size", "int from 2048 to 16384 in steps of 1"): "int(interval(2048,16384))"
}


def search_arguments(sweep_dir: Path, changes: Sequence[str]) -> list[str] | None:
    """The command line that goes on with the search in a folder; None if it holds none.

    Args:
        sweep_dir: the folder of its sweep.
        changes: settings of launcher or sweeper to change, as ``key=value``.

    Raises:
        InputError: a damaged description, or an unknown setting.
    """
    if not SweepFolder(sweep_dir).holds_search():
        return None
    description = read_description(sweep_dir)
    sweep_dir = sweep_dir.absolute()
    if Path(description["cwd"]).is_dir():
        os.chdir(description["cwd"])  # paths of the command are relative to it
    begun = [*description["arguments"], *_defaults(description)]
    return ["-m", *begun, *_placed(changes), f"hydra.sweep.dir={sweep_dir}"]


def _defaults(description: Mapping[str, Any]) -> Iterator[str]:
    """The defaults with which the search was begun, where this version may have others."""
    begun = description["config"]
    if "model._target_" not in begun:  # of another program
        return
    typed = {bare_key(argument) for argument in description["arguments"]}
    searched = description["space"]
    for key, value in MEANT.items():
        is_known = key in description["meant"] and description["meant"][key] == value
        if not is_known and key not in {*typed, *searched} and not key.startswith("callbacks."):
            yield as_override(key, begun.get(key, value))
    for (key, space), text in SEARCHED.items():
        if key not in typed and searched.get(key) == space:
            yield f"{key}={text}"
    if "figures.draw" not in begun and "hydra.sweeper.min_chance" not in typed:
        yield "hydra.sweeper.min_chance=0"  # begun when all repeats of a trial were trained


def _placed(changes: Sequence[str]) -> Iterator[str]:
    """The changes as overrides: each setting with its full name."""
    of_search = StudySettings.model_fields.keys() - {*OF_JOBS}
    for change in changes:
        key, equals, _ = change.partition("=")
        first = key.partition(".")[0]
        if not equals:
            raise InputError(f"{change}: expected key=value, such as n_trials=40")
        if first in of_search:
            yield f"hydra.sweeper.{change}"
        elif first in FleetSettings.model_fields:
            yield f"hydra.launcher.{change}"
        else:
            known = [*of_search, *FleetSettings.model_fields]
            raise InputError(f"{key}: unknown setting.{near_matches(first, known)}")

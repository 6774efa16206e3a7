"""What a run makes of its cells, by the config in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scyan_exp.config.sentences import problems_of
from scyan_exp.config.types import Section
from scyan_exp.config.wanted import ADDED_SECTIONS, PredictConfig, Wanted
from scyan_exp.errors import InputError
from scyan_exp.run.config_file import read_config_file
from scyan_exp.run.folder import RunFolder, run_folder_of
from scyan_exp.run.record import RunRecord


def settings_of(run: Any) -> PredictConfig:
    """How a run annotates its cells; arguments as for :func:`wanted_of`."""
    return wanted_of(run).predict


def wanted_of(run: Any) -> Wanted:
    """What the config of a run makes of its cells, with all figures; the defaults without a config.

    Args:
        run: the folder of a run, or a checkpoint in it; anything else has the defaults. The folder
            of a consensus has no config, so the first of its runs says.

    Raises:
        InputError: the config of the run is wrong.
    """
    if not isinstance(run, str | Path):
        return Wanted()
    folder = run_folder_of(run)
    record = RunRecord.read(folder)
    if record is None:
        return Wanted()
    if not RunFolder(folder).config.is_file():
        members = (record.repeats or {}).get("members", [])
        return wanted_of(folder / members[0]["folder"]) if members else Wanted()
    return _of_config(RunFolder(folder).config)


def _of_config(path: Path) -> Wanted:
    plain = read_config_file(path)
    problems: list[str] = []
    sections = {
        name: _section(name, schema, plain.get(name) or {}, problems)
        for name, schema in ADDED_SECTIONS.items()
    }
    if problems:
        raise InputError(problems, where=str(path))
    return Wanted(**sections)  # type: ignore[arg-type]  # each is of the class of its name


def _section(
    name: str, schema: type[Section], values: Mapping[str, Any], problems: list[str]
) -> Section:
    from pydantic import ValidationError

    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        problems += map(str, problems_of(error, schema, f"{name}."))
        return schema()

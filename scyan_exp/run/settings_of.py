"""How a run annotates its cells, as its folder says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scyan_exp.config.schema import PredictConfig
from scyan_exp.errors import InputError
from scyan_exp.run.config_file import read_config_file
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord


def settings_of(run: Any) -> PredictConfig:
    """How a run annotates its cells: ``predict`` of its config; the defaults where there is none.

    Args:
        run: the folder of a run, or a checkpoint in it; anything else has the defaults. That of a
            consensus of runs has no config: the first of these runs says.
    """
    if not isinstance(run, str | Path):
        return PredictConfig()
    path = Path(run)
    folder = path if path.is_dir() else path.absolute().parent.parent
    record = RunRecord.read(folder)
    if record is None:
        return PredictConfig()
    if not RunFolder(folder).config.is_file():
        members = (record.repeats or {}).get("members", [])
        return settings_of(folder / members[0]["folder"]) if members else PredictConfig()
    return _of_config(RunFolder(folder).config)


def _of_config(path: Path) -> PredictConfig:
    from pydantic import ValidationError

    try:
        return PredictConfig.model_validate(dict(read_config_file(path).get("predict") or {}))
    except ValidationError as error:
        found = [f"predict.{one['loc'][0]}: {one['msg']}" for one in error.errors()]
        raise InputError(found, where=str(path)) from error

"""Configs of jobs: the program's part and Hydra's own, together and apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra import version
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from scyan_exp.run.config_file import read_config_file
from scyan_exp.run.folder import RunFolder


def load_config(folder: Path) -> DictConfig:
    """The config of a job from the files in its run folder, with Hydra's own part.

    Raises:
        InputError: a file is missing, or holds no config.
        OmegaConfBaseException: Hydra does not take one of the values.
    """
    own = RunFolder(folder.absolute())
    config = joined(
        _in_todays_words(read_config_file(own.hydra_config)), read_config_file(own.config)
    )
    with open_dict(config.hydra):  # the sweep may have moved since
        config.hydra.runtime.output_dir = str(own.path)
        config.hydra.sweep.dir = str(_sweep_dir(own.path, config))
    return config


def without_hydra(config: DictConfig) -> DictConfig:
    """The config that a program sees."""
    task_config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(task_config, True)
    return task_config


def settle(config: DictConfig, number: int) -> Path:
    """Set what Hydra leaves open until a job starts. Returns the job's folder."""
    with open_dict(config):
        config.hydra.job.id = number
        config.hydra.job.num = number
        # The time in it is that of the sweep's start, also when a worker reads it.
        config.hydra.sweep.dir = str(config.hydra.sweep.dir)
        if config.hydra.job.chdir is None:  # Hydra's rule, settled here for all workers
            config.hydra.job.chdir = not version.base_at_least("1.2")
    HydraConfig.instance().set_config(config)
    folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = str(folder.absolute())
    HydraConfig.instance().set_config(config)
    return folder.absolute()


def of_task(config: DictConfig) -> list[str]:
    """The overrides of a composed config, without those of Hydra's own part."""
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task)  # some may be interpolations
    return list(map(str, typed))


def hydra_of(config: DictConfig) -> dict[str, Any]:
    """Hydra's own part of a config in plain containers, with unresolved interpolations."""
    part: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, "hydra"), enum_to_str=True)
    own: dict[str, Any] = part["hydra"]
    return own


def joined(hydra: Any, task: Any) -> DictConfig:
    """The config of a job from its two parts."""
    config = OmegaConf.structured({"hydra": HydraConf})
    with open_dict(config), open_dict(config.hydra):
        config.merge_with(hydra)
        config.merge_with(task)
    assert isinstance(config, DictConfig)
    return config


def _in_todays_words(value: Any) -> Any:
    """Hydra's part of a config in plain containers, whatever version of this program wrote it."""
    if isinstance(value, dict):
        return {key: _in_todays_words(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_in_todays_words(one) for one in value]
    if isinstance(value, str):  # classes that have moved since
        return value.replace("scyan_exp.logs.Terminal", "scyan_exp.terminal.Terminal")
    return value


def _sweep_dir(folder: Path, config: DictConfig) -> Path:
    """The folder of the sweep that holds a job's."""
    inside = Path(str(config.hydra.sweep.subdir)).parts
    is_inside = bool(inside) and folder.parts[-len(inside) :] == inside
    return folder.parents[len(inside) - 1] if is_inside else Path(str(config.hydra.sweep.dir))

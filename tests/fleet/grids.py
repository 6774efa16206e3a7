"""Shared by the tests of grids: a command as Hydra has it, and its jobs composed in both ways."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.compose import quiet_presets
from scyan_exp.fleet.grid import Grid
from scyan_exp.fleet.job_config import without_hydra
from scyan_exp.fleet.jobs import Job, compose_jobs


@dataclass(frozen=True)
class Command:
    """A command with ``-m``.

    Attributes:
        loader: of Hydra; ours may change it.
        untouched: the same for those who compose as Hydra does.
        config: what it composes, with Hydra's part.
        task: the program.
    """

    loader: ConfigLoader
    untouched: ConfigLoader
    config: DictConfig
    task: object

    def grid(self) -> Grid:
        check, checker = (getattr(self.task, name, None) for name in ("check", "checker"))
        return Grid(self.loader, self.config, check, checker)

    def by_hydra(self, number: int, overrides: Sequence[str]) -> Job:
        """A job as Hydra composes it by itself."""

        def load(given: list[str]) -> DictConfig:
            return self.untouched.load_sweep_config(self.config, given)

        (job,) = compose_jobs(load, [overrides], number, getattr(self.task, "check", None))
        return job


@contextmanager
def command(
    configs: Path, name: str, sweep: Path, task: object, always: Sequence[str] = ()
) -> Iterator[Command]:
    """A command with the YAML files of a folder."""
    overrides = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={sweep}", *always]
    with initialize_config_dir(str(configs), version_base="1.3", job_name="job"):
        quiet_presets()
        loader = GlobalHydra.instance().hydra.config_loader
        config = loader.load_configuration(name, overrides, run_mode=RunMode.MULTIRUN)
        yield Command(copy.copy(loader), loader, config, task)


def seen(job: Job) -> dict[str, Any]:
    """All that a job consists of, interpolations as they stand and resolved."""
    config = job.config
    HydraConfig.instance().set_config(config)
    own = without_hydra(config)
    return {
        "number": job.number,
        "folder": job.folder,
        "overrides": job.overrides,
        "checked": job.checked,
        "plain": job.plain(),
        "task": _shown(own, resolve=job.checked is not None),
        "resolved": _resolved(own),
        "hydra": {key: repr(value) for key, value in job.hydra.items()},
    }


def _shown(config: DictConfig, resolve: bool) -> str:
    """With the types of values: 1, 1.0, True and '1' are four."""
    return repr(OmegaConf.to_container(config, resolve=resolve, enum_to_str=True))


def _resolved(config: DictConfig) -> str:
    try:
        return _shown(config, resolve=True)
    except Exception as error:
        return type(error).__name__

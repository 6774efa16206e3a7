"""Jobs of a sweep: composed and checked before the first of them starts."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import version
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder

#: Checks the config of a job and returns it resolved.
Check = Callable[[DictConfig], RunConfig]


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        number: its number within the sweep.
        folder: its run folder.
        overrides: what distinguishes it, as typed.
        config: the composed config, with Hydra's own part.
        checked: the config as checked; None for other programs' jobs.
        repeat: the seed, when this is one of the repeats of the job; None for the job itself.
    """

    number: int
    folder: Path
    overrides: list[str]
    config: DictConfig
    checked: RunConfig | None = None
    repeat: int | None = None

    @property
    def key(self) -> tuple[int, int | None]:
        """What tells it from the other jobs of the sweep, and from its repeats."""
        return self.number, self.repeat

    def plain(self) -> dict[str, Any]:
        """The config in plain containers, without Hydra's own part."""
        if self.checked is not None:
            return self.checked.plain()
        plain: Any = OmegaConf.to_container(self.task_config)
        return plain

    @property
    def task_config(self) -> DictConfig:
        """The config without Hydra's own part."""
        return without_hydra(self.config)


def compose_jobs(
    load_sweep_config: Callable[[list[str]], DictConfig],
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    check: Check | None,
) -> list[Job]:
    """Compose and check every job.

    Args:
        load_sweep_config: composes the config of one job's overrides.
        job_overrides: the overrides of each job.
        first_number: number of the first one.
        check: checks a config; None for programs that have no check.

    Raises:
        InputError: all that is wrong, with the numbers of the jobs.
    """
    jobs, problems = [], []
    for number, overrides in enumerate(job_overrides, start=first_number):
        config = load_sweep_config(list(overrides))
        folder = _settle(config, number)
        shown = list(OmegaConf.to_container(config.hydra.overrides.task))  # type: ignore[arg-type]
        try:
            checked = check(without_hydra(config)) if check else None
        except InputError as error:
            name = f"job {number} ({' '.join(map(str, shown)) or 'no overrides'})"
            problems += [f"{name}: {problem}" for problem in error.problems]
            continue
        jobs.append(Job(number, folder, shown, config, checked))
    problems += _shared_folders(jobs)
    if problems:
        raise InputError(problems, where="sweep")
    return jobs


def load_config(folder: Path) -> DictConfig:
    """The config of a job from the files in its run folder, with Hydra's own part."""
    own = RunFolder(folder.absolute())
    config = OmegaConf.structured({"hydra": HydraConf})
    with open_dict(config), open_dict(config.hydra):
        config.merge_with(OmegaConf.load(_in_todays_words(own.hydra_config)))
        config.merge_with(OmegaConf.load(own.config))
        # The sweep may have been moved since.
        config.hydra.runtime.output_dir = str(own.path)
        config.hydra.sweep.dir = str(_sweep_dir(own.path, config))
    assert isinstance(config, DictConfig)
    return config


def without_hydra(config: DictConfig) -> DictConfig:
    """The config that a program sees."""
    task_config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(task_config, True)
    return task_config


def _settle(config: DictConfig, number: int) -> Path:
    """Set what Hydra leaves open until a job starts; returns the job's folder."""
    with open_dict(config):
        config.hydra.job.id = number
        config.hydra.job.num = number
        # Its time is that of the start, also when a worker reads it.
        config.hydra.sweep.dir = str(config.hydra.sweep.dir)
        if config.hydra.job.chdir is None:  # Hydra's rule, settled here for all workers
            config.hydra.job.chdir = not version.base_at_least("1.2")
    HydraConfig.instance().set_config(config)
    folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = str(folder.absolute())
    HydraConfig.instance().set_config(config)
    return folder.absolute()


def _in_todays_words(path: Path) -> io.StringIO:
    """Hydra's part of a config, whatever version of this program wrote it."""
    text = path.read_text(encoding="utf-8")
    # The class has moved since; sweeps that were begun before name its first place.
    return io.StringIO(text.replace("scyan_exp.logs.Terminal", "scyan_exp.terminal.Terminal"))


def _sweep_dir(folder: Path, config: DictConfig) -> Path:
    """The folder of the sweep that holds a job's."""
    inside = Path(str(config.hydra.sweep.subdir)).parts
    is_inside = bool(inside) and folder.parts[-len(inside) :] == inside
    return folder.parents[len(inside) - 1] if is_inside else Path(str(config.hydra.sweep.dir))


def _shared_folders(jobs: Sequence[Job]) -> list[str]:
    by_folder: dict[Path, list[Job]] = {}
    for job in jobs:
        by_folder.setdefault(job.folder, []).append(job)
    return [
        f"jobs {', '.join(str(job.number) for job in same)} would share the folder {folder}; use "
        "a hydra.sweep.subdir that differs, such as ${hydra.job.num}"
        for folder, same in by_folder.items()
        if len(same) > 1
    ]

"""Jobs of a sweep: what is known about each, and where its config comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.plain_values import is_of_hydra
from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError
from scyan_exp.fleet.job_config import hydra_of, of_task, settle, without_hydra
from scyan_exp.run.folder import RunFolder

#: Checks the config of a job and returns it resolved.
Check = Callable[[DictConfig], RunConfig]


class Source(Protocol):
    """Where the config of a job comes from, so that jobs need not hold it."""

    def config(self, job: Job) -> DictConfig:
        """The composed config, with Hydra's own part."""

    def plain(self) -> dict[str, Any]:
        """The program's part, in plain containers."""

    def hydra(self, job: Job) -> Mapping[str, Any]:
        """Hydra's own part, with unresolved interpolations."""

    @property
    def is_filed(self) -> bool:
        """Whether the config is in the folder of the job already."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a sweep.

    Attributes:
        number: its number within the sweep.
        folder: its run folder.
        overrides: what tells it from other jobs, as typed.
        source: where its config comes from.
        checked: the config as checked; None for other programs' jobs.
        repeat: the seed if this is one of the job's repeats; None for the job itself.
    """

    number: int
    folder: Path
    overrides: list[str]
    source: Source
    checked: RunConfig | None = None
    repeat: int | None = None

    @property
    def key(self) -> tuple[int, int | None]:
        """What tells it from the sweep's other jobs, and from its repeats."""
        return self.number, self.repeat

    @property
    def config(self) -> DictConfig:
        """The composed config, with Hydra's own part; this may be slow."""
        return self.source.config(self)

    @property
    def hydra(self) -> Mapping[str, Any]:
        """Hydra's own part of the config, with unresolved interpolations."""
        return self.source.hydra(self)

    @property
    def task_config(self) -> DictConfig:
        """The config without Hydra's own part."""
        return without_hydra(self.config)

    def plain(self) -> dict[str, Any]:
        """The config in plain containers, without Hydra's own part."""
        return self.source.plain() if self.checked is None else self.checked.plain()

    def write(self) -> None:
        """Write the config to the job's folder, where a worker reads it.

        The file may be lost in a crash of the machine: the sweep's list of jobs, or the search, can
        make it anew.
        """
        if not self.source.is_filed:
            own, hydra = RunFolder(self.folder), {"hydra": self.hydra}
            own.write_config(self.plain(), hydra, self.overrides, durable=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """A config that is kept as it was composed.

    Attributes:
        composed: the config.
        is_filed: whether it was read from the folder of the job.
    """

    composed: DictConfig
    is_filed: bool = False

    def config(self, job: Job) -> DictConfig:
        """The config as it was composed."""
        return self.composed

    def plain(self) -> dict[str, Any]:
        """The program's part, with unresolved interpolations."""
        plain: Any = OmegaConf.to_container(without_hydra(self.composed))
        return plain

    def hydra(self, job: Job) -> Mapping[str, Any]:
        """Hydra's part."""
        return hydra_of(self.composed)


def compose_jobs(
    load_sweep_config: Callable[[list[str]], DictConfig],
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    check: Check | None,
) -> list[Job]:
    """Compose and check every job, each by Hydra; see ``grid.py`` for many.

    Args:
        load_sweep_config: composes the config of one job's overrides.
        job_overrides: the overrides of each job.
        first_number: number of the first one.
        check: checks a config; None for programs without a check.

    Raises:
        InputError: all that is wrong, with the numbers of the jobs.
    """

    def make(number: int, overrides: list[str]) -> Job:
        config = load_sweep_config(overrides)
        folder = settle(config, number)
        checked = check(without_hydra(config)) if check else None
        return Job(number, folder, of_task(config), Kept(config), checked)

    return collect_jobs(make, job_overrides, first_number)


def collect_jobs(
    make: Callable[[int, list[str]], Job],
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
) -> list[Job]:
    """Make every job.

    Args:
        make: makes a job from its number and its overrides; raises an InputError if they are wrong.
        job_overrides: the overrides of each job.
        first_number: number of the first one.

    Raises:
        InputError: all that is wrong, with the numbers of the jobs.
    """
    jobs, problems = [], []
    for number, overrides in enumerate(job_overrides, start=first_number):
        try:
            jobs.append(make(number, list(overrides)))
        except InputError as error:
            shown = " ".join(one for one in overrides if not is_of_hydra(one))
            name = f"job {number} ({shown or 'no overrides'})"
            problems += [f"{name}: {problem}" for problem in error.problems]
    problems += _shared_folders(jobs)
    if problems:
        raise InputError(problems, where="sweep")
    return jobs


def _shared_folders(jobs: Iterable[Job]) -> list[str]:
    by_folder: dict[Path, list[Job]] = {}
    for job in jobs:
        by_folder.setdefault(job.folder, []).append(job)
    return [
        f"jobs {', '.join(str(job.number) for job in same)} would share the folder {folder}; use "
        "a hydra.sweep.subdir that differs, such as ${hydra.job.num}"
        for folder, same in by_folder.items()
        if len(same) > 1
    ]

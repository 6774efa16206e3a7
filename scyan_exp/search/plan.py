"""A search as its command describes it, checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.hydra_internals import read_once
from scyan_exp.config.overrides import flat, quoted
from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.base import Task
from scyan_exp.fleet.jobs import Check, Job, compose_jobs
from scyan_exp.run.folder import SweepFolder
from scyan_exp.search.description import read_description
from scyan_exp.search.settings import StudySettings, check_study
from scyan_exp.search.space import Space, parse_space
from scyan_exp.search.storage.urls import password_problem, storage_url


@dataclass(frozen=True)
class SearchPlan:
    """What a search will do. It is checked, and nothing is written yet.

    Attributes:
        settings: of the sweeper.
        space: what to search.
        first: the job of the first extreme values; it shows what all jobs have in common.
        compose: the job of a trial from its number and overrides.
        objectives: names of what is optimised; empty for programs that are not ours.
        directions: which way is better, one each.
        folder: the folder of the sweep.
        study_name: the name in the storage.
        storage_as_written: the storage before interpolation, without what stands in the
            environment.
    """

    settings: StudySettings
    space: Space
    first: Job
    compose: Callable[[int, list[str]], Job]
    objectives: list[str]
    directions: list[str]
    folder: Path
    study_name: str
    storage_as_written: str | None

    @property
    def shared_config(self) -> dict[str, Any]:
        """What all trials have in common, with dots in the keys; nothing of other programs."""
        checked = self.first.checked
        return {} if checked is None else flat(checked.plain())

    @property
    def min_chance(self) -> float:
        """The smallest chance with which a trial gets more repeats; 0 where nothing is pruned."""
        is_pruned = self.settings.chosen_pruner(self.objectives) is not None
        return self.settings.min_chance if is_pruned else 0.0

    @property
    def url(self) -> str:
        """The storage."""
        return storage_url(self.settings.storage, self.folder, Path.cwd())


def plan_search(
    config: DictConfig,
    context: HydraContext,
    task: Task,
    values: dict[str, Any],
    arguments: Sequence[str],
    sweep_dir: Path,
) -> SearchPlan:
    """Plan a search: check its settings, its space, and the configs of the extreme values.

    Args:
        config: the composed config, with Hydra's part.
        context: of Hydra.
        task: the program.
        values: ``hydra.sweeper``.
        arguments: overrides of the command line.
        sweep_dir: the folder of the sweep.

    Raises:
        InputError: everything that is wrong.
    """
    storage = _storage_as_written(config)
    settings = check_study(values)
    loader = context.config_loader
    read_once(loader)
    space = parse_space(settings.params, arguments, loader)
    compose = _Composer(config, loader, getattr(task, "check", None))
    first = _first_job(space, compose)
    objectives = [] if first.checked is None else first.checked.objectives
    directions = settings.directions_for(objectives)
    study_name = settings.study_name or _name_of(sweep_dir)
    pruner = settings.chosen_pruner(objectives)
    if len(directions) > 1 and pruner is not None:
        raise InputError(
            "hydra.sweeper.pruner: several objectives cannot be pruned; use pruner=none",
            where="config",
        )
    compose.trial_overrides = _trial_overrides(study_name, pruner)
    return SearchPlan(
        settings, space, first, compose, objectives, directions, sweep_dir, study_name, storage
    )


def _storage_as_written(config: DictConfig) -> str | None:
    """``hydra.sweeper.storage`` before interpolation.

    Raises:
        InputError: it holds a password.
    """
    written = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    assert isinstance(written, dict)
    storage: str | None = written.get("storage")
    problem = password_problem(storage)
    if problem:
        raise InputError(problem, where="config")
    return storage


def _first_job(space: Space, compose: _Composer) -> Job:
    """The job of the first extreme values. Composing those of the others checks them."""
    variants = space.variants()
    first, *others = [compose(0, overrides) for overrides in variants]
    require_one_objective([first, *others])
    if compose(1, variants[0]).folder == first.folder:
        raise InputError(
            f"hydra.sweep.subdir: trials would share the folder {first.folder}; use one that "
            "differs, such as ${hydra.job.num}",
            where="config",
        )
    return first


def require_one_objective(jobs: Sequence[Job]) -> None:
    """Make sure that the trials of a search can be compared.

    Raises:
        InputError: their objectives differ, as the options of a group may set them.
    """
    found = dict.fromkeys(str(job.checked.objective) for job in jobs if job.checked is not None)
    if len(found) > 1:
        raise InputError(
            f"objective: the trials would improve different ones, {' and '.join(found)}, as the "
            "options of a group set them; choose one: objective=...",
            where="config",
        )


def _name_of(sweep_dir: Path) -> str:
    """The name of the search in a folder, which may have been renamed since it was begun."""
    if SweepFolder(sweep_dir).holds_search():
        return str(read_description(sweep_dir)["study_name"])
    return sweep_dir.absolute().name


def _trial_overrides(study_name: str, pruner: str | Mapping[str, Any] | None) -> list[str]:
    """What every job must know of its search."""
    by_name = [f"hydra.sweeper.pruner={pruner}"] if isinstance(pruner, str) else []
    return [
        *by_name,
        f"hydra.sweeper.prunes={pruner is not None}",
        f"hydra.sweeper.study_name={quoted(study_name)}",
    ]


class _Composer:
    """Composes the jobs of trials."""

    def __init__(self, config: DictConfig, loader: ConfigLoader, check: Check | None) -> None:
        self._config, self._loader, self._check = config, loader, check
        self.trial_overrides: list[str] = []

    def __call__(self, number: int, overrides: list[str]) -> Job:
        if self.trial_overrides:
            overrides = [*overrides, *self.trial_overrides, f"hydra.sweeper.trial={number}"]
        (job,) = compose_jobs(self._load, [overrides], number, self._check)
        return job

    def _load(self, overrides: list[str]) -> DictConfig:
        return self._loader.load_sweep_config(self._config, overrides)

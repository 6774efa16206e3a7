"""A search as its command describes it, checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_repository import CachingConfigRepository
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.check import objective_names
from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.base import Task
from scyan_exp.fleet.jobs import Check, Job, compose_jobs
from scyan_exp.run.folder import SweepFolder
from scyan_exp.search.description import read_study
from scyan_exp.search.settings import StudySettings, check_study, password_problem
from scyan_exp.search.space import Space, parse_space, quoted
from scyan_exp.search.storage.storage import storage_url


@dataclass(frozen=True)
class Search:
    """A search, checked; nothing is written yet.

    Attributes:
        settings: of the sweeper.
        space: what to search.
        first: the job of the first extreme values, to see what all jobs have in common.
        compose: the job of a trial from its number and overrides.
        objectives: names of what is optimised; none for programs that are not ours.
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
    def url(self) -> str:
        """The storage."""
        return storage_url(self.settings.storage, self.folder, Path.cwd())


def prepare(
    config: DictConfig,
    context: HydraContext,
    task: Task,
    values: dict[str, Any],
    arguments: Sequence[str],
    sweep_dir: Path,
) -> Search:
    """Check settings, space and the configs of its extreme values.

    Raises:
        InputError: everything that is wrong.
    """
    written = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    assert isinstance(written, dict)
    problem = password_problem(written.get("storage"))
    if problem:
        raise InputError(problem, where="config")
    settings = check_study(values)
    loader = context.config_loader
    # The YAML files are read once: editing them changes nothing of trials to come.
    loader.repository = CachingConfigRepository(loader.repository)  # type: ignore[attr-defined]
    space = parse_space(settings.params, arguments, loader)
    compose = _Composer(config, context, getattr(task, "check", None))
    first, *_ = [compose(0, overrides) for overrides in space.variants()]
    if compose(1, space.variants()[0]).folder == first.folder:
        raise InputError(
            f"hydra.sweep.subdir: trials would share the folder {first.folder}; use one that "
            "differs, such as ${hydra.job.num}",
            where="config",
        )
    objectives = objective_names(first.plain["objective"]) if first.plain else []
    directions = settings.directions_for(objectives)
    # The folder of an earlier start may have been renamed since.
    earlier = read_study(sweep_dir)["study_name"] if SweepFolder(sweep_dir).holds_search() else None
    study_name = settings.study_name or earlier or sweep_dir.absolute().name
    pruner = settings.chosen_pruner(objectives)
    if len(directions) > 1 and pruner is not None:
        raise InputError(
            "hydra.sweeper.pruner: several objectives cannot be pruned; use pruner=none",
            where="config",
        )
    if isinstance(pruner, str):
        compose.trial_overrides.append(f"hydra.sweeper.pruner={pruner}")
    compose.trial_overrides += [
        f"hydra.sweeper.prunes={pruner is not None}",
        f"hydra.sweeper.study_name={quoted(study_name)}",
    ]
    return Search(
        settings,
        space,
        first,
        compose,
        objectives,
        directions,
        sweep_dir,
        study_name,
        written.get("storage"),
    )


class _Composer:
    """Composes the jobs of trials."""

    def __init__(self, config: DictConfig, context: HydraContext, check: Check | None) -> None:
        self._config, self._loader, self._check = config, context.config_loader, check
        self.trial_overrides: list[str] = []

    def __call__(self, number: int, overrides: list[str]) -> Job:
        if self.trial_overrides:
            overrides = [*overrides, *self.trial_overrides, f"hydra.sweeper.trial={number}"]
        (job,) = compose_jobs(self._load, [overrides], number, self._check)
        return job

    def _load(self, overrides: list[str]) -> DictConfig:
        return self._loader.load_sweep_config(self._config, overrides)

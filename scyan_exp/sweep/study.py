"""A hyperparameter search: what ``hydra/sweeper=study`` does."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.utils import configure_log, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from scyan_exp.config import objective_names
from scyan_exp.errors import InputError
from scyan_exp.job import JobFailed
from scyan_exp.search.settings import (
    StudySettings,
    check_study,
    make_pruner,
    make_sampler,
    password_problem,
)
from scyan_exp.search.space import Space, parse_space
from scyan_exp.search.storage import open_storage, storage_url
from scyan_exp.sweep.best import report_best
from scyan_exp.sweep.description import describe, flat, write_description
from scyan_exp.sweep.jobs import Check, Job, compose_jobs, write_jobs
from scyan_exp.sweep.launcher import failure_of, locked, make_engine
from scyan_exp.sweep.others import run_batches
from scyan_exp.sweep.progress import Progress
from scyan_exp.sweep.schedule import Policy, Row, Schedule
from scyan_exp.sweep.settings import FleetSettings, check_settings
from scyan_exp.sweep.table import other_rows, shown, write_csv
from scyan_exp.sweep.trials import Trials
from scyan_exp.sweep.worker import Task

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher
    from optuna import Study


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
    """

    settings: StudySettings
    space: Space
    first: Job
    compose: Callable[[int, list[str]], Job]
    objectives: list[str]
    directions: list[str]
    folder: Path

    @property
    def study_name(self) -> str:
        """The name in the storage."""
        return self.settings.study_name or self.folder.absolute().name

    @property
    def url(self) -> str:
        """The storage."""
        return storage_url(self.settings.storage, self.folder)


def run_study(
    config: DictConfig,
    context: HydraContext,
    task: Task,
    settings: dict[str, Any],
    arguments: Sequence[str],
    launcher: Launcher,
) -> dict[str, Any]:
    """Run a search, or go on with the one in the folder of the sweep.

    Args:
        config: the composed config, with Hydra's part.
        context: of Hydra.
        task: the program.
        settings: ``hydra.sweeper``.
        arguments: overrides of the command line.
        launcher: runs the trials; the fleet starts a new one whenever a slot is free.

    Returns:
        Number, values and parameters of the best trial (empty without one).

    Raises:
        InputError: something is wrong; nothing was started.
        JobFailed: trials failed.
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep_dir = Path(str(config.hydra.sweep.dir))
    fleet_settings: dict[str, Any] = getattr(launcher, "settings", {})  # empty for other launchers
    fleet = check_settings(fleet_settings) if fleet_settings else None
    search = prepare(config, context, task, settings, arguments, sweep_dir)
    with _folder(sweep_dir), locked(sweep_dir):
        description = describe(
            search.folder,
            config,
            {
                "study_name": search.study_name,
                "space": {one.key: str(one) for one in search.space.dimensions},
                "directions": search.directions,
                "objectives": search.objectives,
                "config": flat(search.first.plain),
            },
        )
        study = _open_study(search)
        write_description(search.folder, config, description)
        trials = Trials(
            study,
            search.space,
            search.compose,
            search.settings.n_trials,
            search.settings.max_failures,
            description["id"],
            search.settings.storage is None,
        )
        if fleet is not None:
            rows, interrupted = _run_on_fleet(search, trials, fleet, fleet_settings, task)
        else:
            rows, interrupted = run_batches(trials, launcher, search.folder, _n_parallel(search))
        if trials.refused:
            rows = sorted([*rows, *trials.refused], key=lambda row: row.job.number)
            csv = search.folder / "sweep.csv"
            write_csv(rows, csv, other_rows(csv, ()))
        if rows:
            print(shown(rows, {row.job.number: trials.label(row.job) for row in rows}), flush=True)
        best = report_best(
            study,
            search.folder,
            search.url,
            search.directions,
            lambda overrides: context.config_loader.load_configuration(
                config.hydra.job.config_name, overrides, run_mode=RunMode.RUN
            ),
        )
    if interrupted:
        print(f"To go on: scyan-exp resume {sweep_dir}", flush=True)
        raise KeyboardInterrupt
    _raise_failures(rows, trials, sweep_dir)
    return best


@contextmanager
def _folder(sweep_dir: Path) -> Iterator[None]:
    """The folder of the sweep; a new one is removed when nothing begins there."""
    is_new = not sweep_dir.exists()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except InputError:
        if is_new:
            shutil.rmtree(sweep_dir)
        raise


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
        f"hydra.sweeper.study_name='{settings.study_name or sweep_dir.absolute().name}'",
    ]
    return Search(settings, space, first, compose, objectives, directions, sweep_dir)


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


def _open_study(search: Search) -> Study:
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.study import StudyDirection

    storage = open_storage(search.url)
    study = optuna.create_study(
        storage=storage,
        study_name=search.study_name,
        directions=[StudyDirection[one.upper()] for one in search.directions],
        sampler=make_sampler(search.settings),
        pruner=make_pruner(search.settings.chosen_pruner(search.objectives)),
        load_if_exists=True,
    )
    found = [direction.name.lower() for direction in study.directions]
    if found != search.directions:
        raise InputError(
            f"hydra.sweeper.study_name={search.study_name}: this study has directions {found}, the "
            f"objective needs {search.directions}; use another name",
            where="config",
        )
    if search.objectives:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(search.objectives)
    return study


def _run_on_fleet(
    search: Search, trials: Trials, fleet: FleetSettings, settings: dict[str, Any], task: Task
) -> tuple[list[Row], bool]:
    """Run trials as slots become free."""
    n_parallel = search.settings.n_parallel
    n_jobs = trials.n_jobs * search.first.plain.get("repeats", 1)
    with closing(make_engine([search.first], fleet, task, n_jobs)) as engine:
        source = _Written(trials, search.folder, settings)
        policy = Policy(fleet.retries, fleet.error_retries, fleet.on_failure == "stop")
        csv = search.folder / "sweep.csv"
        schedule = Schedule([], engine, policy, csv, Progress(), source, n_parallel)
        n_slots = min(engine.n_slots, n_parallel or engine.n_slots)
        print(f"{trials}, {n_slots} at a time; results: {search.folder}", flush=True)
        rows = schedule.run()
    return rows, schedule.interrupted


class _Written:
    """Trials whose jobs are written to their folders, where workers read them."""

    def __init__(self, trials: Trials, folder: Path, settings: dict[str, Any]) -> None:
        self._trials, self._folder, self._settings = trials, folder, settings
        self.n_jobs, self.ended, self.label = trials.n_jobs, trials.ended, trials.label

    def next(self) -> Job | None:
        job = self._trials.next()
        if job is not None:
            write_jobs([job], self._folder, self._settings)
        return job


def _raise_failures(rows: Sequence[Row], trials: Trials, sweep_dir: Path) -> None:
    failure = failure_of(rows, sweep_dir)
    if trials.gave_up:
        last = next((row.error for row in reversed(rows) if row.error), "")
        raise JobFailed(
            f"the search stopped: {trials.n_failed_in_row} trials in a row failed "
            f"(hydra.sweeper.max_failures); the last: {last}. See train.log in their folders, and "
            f"go on with: scyan-exp resume {sweep_dir}"
        )
    if failure is not None:
        raise failure


def _n_parallel(search: Search) -> int:
    return search.settings.n_parallel or 1

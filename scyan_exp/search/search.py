"""One search, start to finish: what ``hydra/sweeper=study`` does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import configure_log, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_settings
from scyan_exp.fleet.engines.base import Task
from scyan_exp.fleet.engines.lasting import detach, detaches
from scyan_exp.fleet.launch import failure_of, make_engine
from scyan_exp.fleet.locking import locked
from scyan_exp.fleet.manifest import add_job, write_jobs
from scyan_exp.fleet.repeats import n_trainings
from scyan_exp.fleet.reporting import report_jobs
from scyan_exp.fleet.running import resume_command, run_source
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.fleet.state import JobState
from scyan_exp.fleet.table import other_rows, shown, write_csv
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.job import JobFailed
from scyan_exp.run.sweep_files import ended_rows
from scyan_exp.search.batches import run_batches
from scyan_exp.search.best import report_best
from scyan_exp.search.constraints import parse_constraints
from scyan_exp.search.description import describe, write_description
from scyan_exp.search.experiment_file import Compose
from scyan_exp.search.plan import SearchPlan, plan_search
from scyan_exp.search.storage.database import is_database_error
from scyan_exp.search.storage.reasons import reason_of
from scyan_exp.search.storage.urls import without_password
from scyan_exp.search.study import open_study
from scyan_exp.search.trials import Trials
from scyan_exp.search.untold import untold

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher


def run_search(
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
        Number, values and parameters of the best trial; empty without one, and where a launcher
        in a Slurm job runs the search.

    Raises:
        InputError: something is wrong; nothing was started.
        JobFailed: trials failed.
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep_dir = Path(str(config.hydra.sweep.dir))
    fleet = _fleet_of(launcher)
    plan = plan_search(config, context, task, settings, arguments, sweep_dir)
    if fleet is not None and detaches(fleet):
        return _run_detached(plan, config, fleet, task)
    with _folder(sweep_dir), locked(sweep_dir), _storage_answers(plan):
        trials = _begin(plan, config)
        if fleet is None:
            n_parallel = plan.settings.n_parallel or 1
            rows, interrupted = run_batches(trials, launcher, sweep_dir, n_parallel)
        else:
            rows, interrupted = _run_on_fleet(plan, trials, fleet, launcher, task)
        rows = _tabulate(rows, trials, SweepFolder(sweep_dir).table)
        compose = _composer(config, context)
        best = report_best(trials.study, sweep_dir, plan.url, plan.directions, compose)
    if interrupted:
        print(f"To go on: {resume_command(sweep_dir)}", flush=True)
        raise KeyboardInterrupt
    report_jobs([plan.first], sweep_dir)
    _raise_failures(rows, trials, sweep_dir)
    return best


def _fleet_of(launcher: Launcher) -> FleetSettings | None:
    """The settings of the fleet, checked; None if the launcher is another."""
    settings = _settings_of(launcher)
    return check_settings(settings) if settings else None


def _settings_of(launcher: Launcher) -> dict[str, Any]:
    """``hydra.launcher`` of the fleet; empty for other launchers."""
    settings: dict[str, Any] = getattr(launcher, "settings", {})
    return settings


def _composer(config: DictConfig, context: HydraContext) -> Compose:
    """Composes the config of overrides, as the command does."""
    return lambda overrides: context.config_loader.load_configuration(
        config.hydra.job.config_name, overrides, run_mode=RunMode.RUN
    )


@contextmanager
def _folder(sweep_dir: Path) -> Iterator[None]:
    """Make the folder of the sweep. A new one is removed when the search is refused."""
    is_new = not sweep_dir.exists()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except InputError:
        if is_new:
            shutil.rmtree(sweep_dir)
        raise


@contextmanager
def _storage_answers(plan: SearchPlan) -> Iterator[None]:
    """Name the storage when it no longer answers. Run folders keep what has ended."""
    try:
        yield
    except Exception as error:
        if not is_database_error(error):
            raise
        raise JobFailed(
            f"hydra.sweeper.storage: {without_password(plan.url)} does not answer any more "
            f"({reason_of(error, plan.url)}). To go on: {resume_command(plan.folder)}"
        ) from error


def _begin(plan: SearchPlan, config: DictConfig) -> Trials:
    """Open the study, new or not, and write into the folder what is searched."""
    description = describe(
        plan.folder,
        config,
        {
            "study_name": plan.study_name,
            "storage": plan.storage_as_written,
            "space": {one.key: str(one) for one in plan.space.dimensions},
            "directions": plan.directions,
            "objectives": plan.objectives,
            "constraints": [str(one) for one in parse_constraints(plan.settings.constraints)],
            "config": plan.shared_config,
        },
    )
    study = open_study(plan)
    write_description(plan.folder, config, description)
    return Trials(
        study,
        plan.space,
        plan.compose,
        plan.settings.n_trials,
        plan.settings.max_failures,
        description["id"],
        plan.settings.storage is None,
        parse_constraints(plan.settings.constraints),
        plan.min_chance,
        plan.folder,
    )


def _tabulate(rows: list[JobState], trials: Trials, csv: Path) -> list[JobState]:
    """Show the trials of this start. Those that were refused without a run are among them."""
    if trials.refused:
        rows = sorted([*rows, *trials.refused], key=lambda row: row.job.number)
        write_csv(rows, csv, other_rows(csv, ()))
    if rows:
        print(shown(rows), flush=True)
    if trials.is_exhausted:
        print("The sampler has nothing more to try.", flush=True)
    return rows


def _run_on_fleet(
    plan: SearchPlan, trials: Trials, fleet: FleetSettings, launcher: Launcher, task: Task
) -> tuple[list[JobState], bool]:
    """Run trials as slots become free."""
    n_parallel = plan.settings.n_parallel
    n_each = n_trainings([plan.first])
    n_jobs = (n_parallel or trials.n_jobs) * n_each
    with closing(make_engine([plan.first], fleet, task, plan.folder, n_jobs)) as engine:
        source = _Written(trials, plan.folder, _settings_of(launcher))
        of_each = "" if n_each == 1 else f" of {n_each} repeats"
        print(f"{trials}{of_each}, {engine.n_slots} at a time; results: {plan.folder}", flush=True)
        earlier = untold(trials, plan, ended_rows(SweepFolder(plan.folder).table))
        ran = run_source(source, engine, fleet, plan.folder, n_parallel, earlier)
        source.close()
        return ran


def _run_detached(
    plan: SearchPlan, config: DictConfig, fleet: FleetSettings, task: Task
) -> dict[str, Any]:
    """Write what is searched, and let a launcher elsewhere run it; there are no results yet."""
    with _folder(plan.folder), locked(plan.folder), _storage_answers(plan):
        make_engine([plan.first], fleet, task, plan.folder).close()  # is there anything wrong?
        _begin(plan, config)
    detach(plan.folder, fleet)
    return {}


class _Written:
    """Writes the job of each trial to its folder, where a worker reads it."""

    def __init__(self, trials: Trials, folder: Path, settings: dict[str, Any]) -> None:
        self._trials, self._folder, self._settings = trials, folder, settings
        self._is_listed = False
        self.n_jobs, self.ended = trials.n_jobs, trials.ended
        self.is_decided = trials.is_decided

    def close(self) -> None:
        """Write the list of the trials as one file, with those of a command that was killed."""
        if self._is_listed or SweepFolder(self._folder).new_jobs.exists():
            write_jobs([], self._folder, self._settings)

    def next(self) -> JobState | None:
        job = self._trials.next()
        if job is None:
            return None
        if self._is_listed:
            add_job(job, self._folder)
        else:
            write_jobs([job], self._folder, self._settings)
            self._is_listed = True
        state = JobState(job, label=self._trials.label(job))
        state.take_earlier_result()
        return state


def _raise_failures(rows: Sequence[JobState], trials: Trials, sweep_dir: Path) -> None:
    if trials.gave_up:
        last = next((row.error for row in reversed(rows) if row.error), "")
        raise JobFailed(
            f"the search stopped: {trials.n_failed_in_row} trials in a row failed "
            f"(hydra.sweeper.max_failures); the last: {last}. See train.log in their folders, and "
            f"go on with: {resume_command(sweep_dir)}"
        )
    failed = trials.failed()
    if failed:
        numbers = ", ".join(map(str, failed[:20]))
        raise JobFailed(
            f"{len(failed)} of {trials.n_jobs} trials failed ({numbers}), and count as trials; see "
            f"{SweepFolder(sweep_dir).table} and the train.log of each. For more trials: "
            f"{resume_command(sweep_dir)} n_trials={trials.n_jobs + len(failed)}"
        )
    failure = failure_of(rows, sweep_dir)
    if failure is not None:
        raise failure

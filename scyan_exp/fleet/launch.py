"""From jobs to their results: what Hydra's plugin and ``scyan-exp resume`` share."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig

from scyan_exp.config.compose import COMPOSE_ERRORS
from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_jobs_fit, check_settings
from scyan_exp.fleet.engines.base import ENGINES, Engine, Needs, Task
from scyan_exp.fleet.engines.lasting import (
    detach,
    detaches,
    require_none_left,
    require_not_detached,
)
from scyan_exp.fleet.grid import compose_grid
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.locking import locked
from scyan_exp.fleet.manifest import write_jobs
from scyan_exp.fleet.progress import Waiting
from scyan_exp.fleet.repeats import n_trainings
from scyan_exp.fleet.reporting import report_jobs
from scyan_exp.fleet.returns import job_return
from scyan_exp.fleet.running import resume_command, run_source
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.fleet.signals import signals_wait
from scyan_exp.fleet.source import SweepJobs
from scyan_exp.fleet.state import JobState
from scyan_exp.fleet.table import shown
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.job import JobFailed
from scyan_exp.run.outcome import Outcome


def launch(
    config: DictConfig,
    context: HydraContext,
    task: Task,
    settings: dict[str, Any],
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
) -> list[JobReturn]:
    """Compose, check and run the jobs of a sweep.

    Returns:
        Their results; none if a launcher in a Slurm job runs them.

    Raises:
        InputError: a setting or a job is wrong, and nothing was started.
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep_dir = Path(str(config.hydra.sweep.dir))
    try:
        fleet = check_settings(settings)
        with signals_wait() as stop_if_asked:
            waiting = Waiting(len(job_overrides))

            def before_each(number: int) -> None:
                stop_if_asked()
                waiting.tell(number - first_number)

            loader = context.config_loader
            jobs = compose_grid(loader, config, task, job_overrides, first_number, before_each)
        engine = make_engine(jobs, fleet, task, sweep_dir)
    except (InputError, *COMPOSE_ERRORS):
        _discard_unused(sweep_dir)
        raise
    sweep_dir.mkdir(parents=True, exist_ok=True)
    with closing(engine), locked(sweep_dir):
        _refuse_search(sweep_dir)
        write_jobs(jobs, sweep_dir, settings)
        states = [] if detaches(fleet) else run_jobs(jobs, fleet, engine, sweep_dir)
    if detaches(fleet):
        detach(sweep_dir, fleet)
        return []
    report_jobs(jobs, sweep_dir)
    failure = failure_of(states, sweep_dir)
    return [job_return(state, failure) for state in states]


def run_jobs(
    jobs: Sequence[Job], fleet: FleetSettings, engine: Engine, sweep_dir: Path
) -> list[JobState]:
    """Run jobs, and show how they end.

    Raises:
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    source = SweepJobs(jobs)
    print(f"{len(jobs)} jobs, {engine.n_slots} at a time; results: {sweep_dir}", flush=True)
    try:
        states, interrupted = run_source(source, engine, fleet, sweep_dir, states=source.states)
    finally:
        engine.close()  # before the folder is unlocked
    print(shown(states), flush=True)
    if interrupted:
        print(f"To go on: {resume_command(sweep_dir)}", flush=True)
        raise KeyboardInterrupt
    return states


def make_engine(
    jobs: Sequence[Job],
    fleet: FleetSettings,
    task: Task,
    sweep_dir: Path,
    n_jobs: int | None = None,
) -> Engine:
    """The engine that the settings ask for; it starts nothing yet.

    Args:
        jobs: jobs whose configs say which devices are needed.
        fleet: the settings.
        task: the program that each job runs.
        sweep_dir: the folder of the sweep.
        n_jobs: how many jobs there will be; None for these jobs and their repeats.

    Raises:
        InputError: the jobs do not fit the engine, or devices are missing.
    """
    wants_gpu = check_jobs_fit(jobs, fleet)
    require_not_detached(sweep_dir)
    require_none_left(sweep_dir, fleet.engine)
    needs = Needs(fleet, task, wants_gpu, n_jobs or n_trainings(jobs), sweep_dir)
    return ENGINES[fleet.engine](needs)


def failure_of(states: Sequence[JobState], sweep_dir: Path) -> JobFailed | None:
    """The error of a sweep with failed jobs."""
    failed = [state.job.number for state in states if state.outcome.is_failure]
    left = (Outcome.NOT_RUN, Outcome.INTERRUPTED)
    not_run = sum(state.outcome in left for state in states)
    if not failed and not not_run:
        return None
    numbers = ", ".join(map(str, failed[:20]))
    rest = f", {not_run} not run" if not_run else ""
    return JobFailed(
        f"{len(failed)} of {len(states)} jobs failed ({numbers}){rest}; see "
        f"{SweepFolder(sweep_dir).table} and the train.log of each. Again: "
        f"{resume_command(sweep_dir)}"
    )


def _refuse_search(sweep_dir: Path) -> None:
    if SweepFolder(sweep_dir).holds_search():
        raise InputError(
            "this folder holds a search, whose trials the jobs would overwrite; use another "
            f"folder, or go on with it: {resume_command(sweep_dir)}",
            where=str(sweep_dir),
        )


def _discard_unused(sweep_dir: Path) -> None:
    """Remove the folder of a sweep that never began, into which Hydra has written a file."""
    if list(sweep_dir.glob("*")) == [SweepFolder(sweep_dir).multirun]:
        shutil.rmtree(sweep_dir)

"""From jobs to their results: what Hydra's plugin and ``scyan-exp resume`` have in common."""

from __future__ import annotations

import fcntl
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.base import Engine
from scyan_exp.fleet.engines.devices import make_slots
from scyan_exp.fleet.engines.local import LocalEngine
from scyan_exp.fleet.engines.worker import Task
from scyan_exp.fleet.jobs import Job, compose_jobs, write_jobs
from scyan_exp.fleet.progress import Progress
from scyan_exp.fleet.repeats import n_trainings
from scyan_exp.fleet.schedule import FAILURES, Policy, Row, Schedule
from scyan_exp.fleet.settings import FleetSettings, check_jobs_fit, check_settings
from scyan_exp.fleet.table import shown
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.job import JobFailed


class QuietReturn(JobReturn):
    """A result that raises its error without a word: the table has said it."""

    @property
    def return_value(self) -> Any:
        """What the job returned.

        Raises:
            JobFailed: it did not complete.
        """
        if self.status == JobStatus.COMPLETED:
            return self._return_value
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def launch(
    config: DictConfig,
    context: HydraContext,
    task: Task,
    settings: dict[str, Any],
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
) -> list[JobReturn]:
    """Compose, check and run the jobs of a sweep.

    Raises:
        InputError: a setting or a job is wrong; nothing was started.
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep_dir = Path(str(config.hydra.sweep.dir))
    try:
        fleet = check_settings(settings)
        jobs = compose_jobs(
            lambda overrides: context.config_loader.load_sweep_config(config, overrides),
            job_overrides,
            first_number,
            getattr(task, "check", None),
        )
        engine = make_engine(jobs, fleet, task, n_trainings(jobs))
    except InputError:
        _discard_unused(sweep_dir)
        raise
    sweep_dir.mkdir(parents=True, exist_ok=True)
    with closing(engine), locked(sweep_dir):
        if SweepFolder(sweep_dir).holds_search():
            raise InputError(
                "this folder holds a search, whose trials the jobs would overwrite; use another "
                f"folder, or go on with it: {resume_command(sweep_dir)}",
                where=str(sweep_dir),
            )
        write_jobs(jobs, sweep_dir, settings)
        rows = run_jobs(jobs, fleet, engine, sweep_dir)
    failure = failure_of(rows, sweep_dir)
    return [_job_return(row, failure) for row in rows]


def run_jobs(
    jobs: Sequence[Job], fleet: FleetSettings, engine: Engine, sweep_dir: Path
) -> list[Row]:
    """Run jobs and show what became of them.

    Raises:
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    policy = Policy(fleet.retries, fleet.error_retries, fleet.on_failure == "stop")
    schedule = Schedule(jobs, engine, policy, sweep_dir / "sweep.csv", Progress())
    print(f"{len(jobs)} jobs, {engine.n_slots} at a time; results: {sweep_dir}", flush=True)
    try:
        rows = schedule.run()
    finally:
        engine.close()  # before the folder is free for others
    print(shown(rows), flush=True)
    if schedule.interrupted:
        print(f"To go on: {resume_command(sweep_dir)}", flush=True)
        raise KeyboardInterrupt
    return rows


def make_engine(
    jobs: Sequence[Job], fleet: FleetSettings, task: Task, n_jobs: int | None = None
) -> Engine:
    """The engine that the settings ask for, with its devices; it starts nothing yet.

    Args:
        jobs: jobs that say what devices are needed.
        fleet: the settings.
        task: the program that each job runs.
        n_jobs: how many jobs there will be, if not just those.

    Raises:
        InputError: the jobs do not fit to it, or the devices are not there.
    """
    wants_gpu = check_jobs_fit(jobs, fleet)
    timeout = None if fleet.timeout_min is None else 60 * fleet.timeout_min
    if fleet.engine == "ray":
        from scyan_exp.fleet.engines.ray import RayEngine

        return RayEngine(fleet.ray, wants_gpu, task, timeout)
    slots = make_slots(fleet.devices, fleet.jobs_per_device, fleet.threads_per_job, wants_gpu)
    return LocalEngine(slots[: max(1, n_jobs or len(jobs))], task, timeout)


def failure_of(rows: Sequence[Row], sweep_dir: Path) -> JobFailed | None:
    """The error of a sweep with failed jobs."""
    failed = [row.job.number for row in rows if row.status in FAILURES]
    not_run = sum(row.status in ("not run", "interrupted") for row in rows)
    if not failed and not not_run:
        return None
    numbers = ", ".join(map(str, failed[:20]))
    rest = f", {not_run} not run" if not_run else ""
    return JobFailed(
        f"{len(failed)} of {len(rows)} jobs failed ({numbers}){rest}; see "
        f"{sweep_dir / 'sweep.csv'} and the train.log of each. Again: "
        f"{resume_command(sweep_dir)}"
    )


def resume_command(sweep_dir: Path) -> str:
    """The command that goes on with a sweep, as a shell takes it."""
    return shlex.join(["scyan-exp", "resume", str(sweep_dir)])


@contextmanager
def locked(sweep_dir: Path) -> Iterator[None]:
    """Let nobody else run jobs in this folder meanwhile; ends with the process at the latest.

    Raises:
        InputError: somebody else does.
    """
    with (SweepFolder(sweep_dir).lock).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another process is running the jobs of this sweep; wait for it, or end it",
                where=str(sweep_dir),
            ) from error
        yield


def _discard_unused(sweep_dir: Path) -> None:
    """Remove the folder of a sweep that never began: Hydra has written its own file there."""
    if [path.name for path in sweep_dir.glob("*")] == ["multirun.yaml"]:
        shutil.rmtree(sweep_dir)


def _job_return(row: Row, failure: JobFailed | None) -> JobReturn:
    completed = row.status in ("completed", "kept")
    job = row.job
    result = QuietReturn(
        overrides=job.overrides,
        cfg=job.task_config,
        hydra_cfg=OmegaConf.masked_copy(job.config, "hydra"),
        working_dir=str(job.folder if job.config.hydra.job.chdir else Path.cwd()),
        task_name=job.config.hydra.job.name,
        status=JobStatus.COMPLETED if completed else JobStatus.FAILED,
    )
    result.return_value = row.value if completed else failure
    return result

"""``scyan-exp resume``: the jobs of a sweep that are not completed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hydra.core.utils import simple_stdout_log_config
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_settings
from scyan_exp.fleet.engines.lasting import detach, detaches, require_not_detached
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.launch import failure_of, make_engine, run_jobs
from scyan_exp.fleet.locking import locked
from scyan_exp.fleet.manifest import read_jobs, require_sweep
from scyan_exp.fleet.reporting import report_jobs
from scyan_exp.fleet.trusting import require_trusted, without_trust
from scyan_exp.fleet.varied import Varied
from scyan_exp.run.job import TrainJob


def resume_sweep(sweep_dir: Path, changes: Sequence[str], task: TrainJob) -> None:
    """Run what is missing of a sweep: failed jobs start again, jobs that were cut off go on.

    Args:
        sweep_dir: its folder.
        changes: settings of the launcher that have changed, as ``key=value``; ``trust=true`` where
            what the folder would have a shell run may run.
        task: the program that each job runs.

    Raises:
        InputError: there is no sweep, or another process runs it.
        JobFailed: jobs failed again.
        KeyboardInterrupt: Ctrl-C.
    """
    simple_stdout_log_config()
    sweep_dir = sweep_dir.absolute()
    changes, is_trusted = without_trust(changes)
    require_sweep(sweep_dir)
    require_not_detached(sweep_dir)
    with locked(sweep_dir):  # first of all, so that a second process is refused at once
        jobs, settings = read_jobs(sweep_dir, task.check)
        if not is_trusted:
            for job in _unlike(jobs):
                require_trusted(settings, job.hydra["job"], changes, sweep_dir)
        fleet = check_settings(_merged(settings, _parsed(changes)))
        with closing(make_engine(jobs, fleet, task, sweep_dir)) as engine:
            states = [] if detaches(fleet) else run_jobs(jobs, fleet, engine, sweep_dir)
    if detaches(fleet):
        detach(sweep_dir, fleet, changes)
        return
    report_jobs(jobs, sweep_dir)
    failure = failure_of(states, sweep_dir)
    if failure is not None:
        raise failure


def _unlike(jobs: Sequence[Job]) -> Iterator[Job]:
    """One of all jobs of each base, and those without."""
    seen = set()
    for job in jobs:
        of = id(job.source.base if isinstance(job.source, Varied) else job)
        if of not in seen:
            seen.add(of)
            yield job


def _merged(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The settings with some replaced; of a section, only those that are named."""
    merged: Any = OmegaConf.to_container(
        OmegaConf.merge(OmegaConf.create(settings), OmegaConf.create(changes))
    )
    return merged


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    for change in changes:
        if "=" not in change:
            raise InputError(f"{change}: expected key=value, such as devices=cpu")
    try:
        values: Any = OmegaConf.to_container(OmegaConf.from_dotlist(list(changes)))
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise InputError(f"{' '.join(changes)}: {error}") from error
    return values

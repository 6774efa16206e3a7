"""``scyan-exp resume``: the jobs of a sweep that are not completed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hydra.core.utils import simple_stdout_log_config
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from scyan_exp.errors import InputError, near_matches
from scyan_exp.job import TrainJob
from scyan_exp.search.settings import StudySettings
from scyan_exp.sweep.description import is_begun, read_study
from scyan_exp.sweep.jobs import read_jobs
from scyan_exp.sweep.launcher import failure_of, locked, make_engine, run_jobs
from scyan_exp.sweep.members import n_trainings
from scyan_exp.sweep.settings import FleetSettings, check_settings


def resume_sweep(sweep_dir: Path, changes: Sequence[str], task: TrainJob) -> None:
    """Run what is missing of a sweep: failed jobs again, cut off ones from where they were.

    Args:
        sweep_dir: its folder.
        changes: settings of the launcher that are others now, as ``key=value``.
        task: the program that each job runs.

    Raises:
        InputError: no sweep, or another process is at it.
        JobFailed: jobs failed again.
        KeyboardInterrupt: Ctrl-C.
    """
    simple_stdout_log_config()
    sweep_dir = sweep_dir.absolute()
    jobs, settings = read_jobs(sweep_dir, task.check)
    fleet = check_settings({**settings, **_parsed(changes)})
    with closing(make_engine(jobs, fleet, task, n_trainings(jobs))) as engine, locked(sweep_dir):
        rows = run_jobs(jobs, fleet, engine, sweep_dir)
    failure = failure_of(rows, sweep_dir)
    if failure is not None:
        raise failure


def search_arguments(sweep_dir: Path, changes: Sequence[str]) -> list[str] | None:
    """The command line that goes on with the search in a folder; None if it holds none.

    Args:
        sweep_dir: the folder of its sweep.
        changes: settings of launcher or sweeper that are others now, as ``key=value``.

    Raises:
        InputError: a damaged description, or an unknown setting.
    """
    if not is_begun(sweep_dir):
        return None
    study = read_study(sweep_dir)
    sweep_dir = sweep_dir.absolute()
    if Path(study["cwd"]).is_dir():
        os.chdir(study["cwd"])  # paths of the command are relative to it
    return ["-m", *study["arguments"], *_placed(changes), f"hydra.sweep.dir={sweep_dir}"]


def _placed(changes: Sequence[str]) -> Iterator[str]:
    """Settings with the names that they have in a config."""
    of_study = StudySettings.model_fields.keys() - {"trial", "prunes"}  # set by the sweeper
    for change in changes:
        key, equals, _ = change.partition("=")
        first = key.partition(".")[0]
        if not equals:
            raise InputError(f"{change}: expected key=value, such as n_trials=40")
        if first in of_study:
            yield f"hydra.sweeper.{change}"
        elif first in FleetSettings.model_fields:
            yield f"hydra.launcher.{change}"
        else:
            known = [*of_study, *FleetSettings.model_fields]
            raise InputError(f"{key}: unknown setting.{near_matches(first, known)}")


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    for change in changes:
        if "=" not in change:
            raise InputError(f"{change}: expected key=value, such as devices=cpu")
    try:
        values: Any = OmegaConf.to_container(OmegaConf.from_dotlist(list(changes)))
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise InputError(f"{' '.join(changes)}: {error}") from error
    return values

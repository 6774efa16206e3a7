"""The jobs of a sweep, written where a resume finds them, and read again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from scyan_exp.config.compose import first_lines
from scyan_exp.errors import InputError
from scyan_exp.fleet.jobs import Check, Job, load_config, without_hydra
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.sweep_files import ListedJob, Manifest

#: What damaged files raise when they are read.
DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, YAMLError)


def write_jobs(jobs: Sequence[Job], sweep_dir: Path, settings: dict[str, Any]) -> None:
    """Write the configs of all jobs, and last the list of them.

    Jobs that are listed already stay in the list. Editing the YAML files of an experiment
    afterwards changes nothing of these jobs.
    """
    for job in jobs:
        RunFolder(job.folder).write_config(
            job.plain(),
            OmegaConf.masked_copy(job.config, "hydra"),
            job.config.hydra.overrides.task,
        )
    path = SweepFolder(sweep_dir).manifest
    known = Manifest.read(path).jobs if path.exists() else []
    by_number = {one.number: one for one in (*known, *(_listed(job, sweep_dir) for job in jobs))}
    Manifest([by_number[number] for number in sorted(by_number)], settings).write(path)


def read_jobs(sweep_dir: Path, check: Check) -> tuple[list[Job], dict[str, Any]]:
    """The jobs of a sweep from its folder, and the settings of its launcher.

    Raises:
        InputError: the folder holds no sweep of the fleet launcher, or a damaged one.
    """
    sweep_dir = sweep_dir.absolute()
    require_sweep(sweep_dir)
    manifest = Manifest.read(SweepFolder(sweep_dir).manifest)
    jobs, problems = [], []
    for one in manifest.jobs:
        folder = sweep_dir / one.folder
        try:
            config = load_config(folder)
            HydraConfig.instance().set_config(config)
            checked = check(without_hydra(config))
        except (*DAMAGED, OmegaConfBaseException) as error:
            problems.append(f"job {one.number} ({folder}): its config is damaged ({error})")
        else:
            jobs.append(Job(one.number, folder, one.overrides, config, checked))
    if problems:
        raise InputError(problems, where=str(sweep_dir))
    return jobs, dict(manifest.launcher)


def require_sweep(sweep_dir: Path) -> None:
    """Make sure that a folder holds a sweep of the fleet launcher.

    Raises:
        InputError: it does not.
    """
    if not sweep_dir.is_dir():
        raise InputError("no such folder; expected that of a sweep", where=str(sweep_dir))
    if not SweepFolder(sweep_dir).manifest.is_file():
        raise InputError(_why_no_manifest(SweepFolder(sweep_dir)), where=str(sweep_dir))


def _listed(job: Job, sweep_dir: Path) -> ListedJob:
    sweep_dir, folder = sweep_dir.absolute(), job.folder
    inside = folder.relative_to(sweep_dir) if folder.is_relative_to(sweep_dir) else folder
    return ListedJob(job.number, str(inside), job.overrides)


def _why_no_manifest(folder: SweepFolder) -> str:
    if not folder.multirun.is_file():
        return f"no sweep: there is no {folder.manifest.name} in it (nor {folder.multirun.name})"
    try:
        overrides = _overrides_of(folder)
    except (*DAMAGED, OmegaConfBaseException) as error:
        return (
            f"no sweep: {folder.multirun.name} is damaged ({first_lines(error)}). Run the sweep's "
            "command again into the same folder"
        )
    of_fleet = ["hydra/launcher=fleet", f"hydra.sweep.dir={folder.path}"]
    command = shlex.join(["scyan-exp", "train", "-m", *overrides, *of_fleet])
    return (
        "this sweep was not started with hydra/launcher=fleet, or was cut off before its first "
        f"job. Run its command again into the same folder, completed jobs are kept: {command}"
    )


def _overrides_of(folder: SweepFolder) -> list[str]:
    """What was typed to begin a sweep, without its launcher and its folder.

    Raises:
        KeyError: the file ends early: Hydra was cut off while it wrote it.
    """
    config: Any = OmegaConf.load(folder.multirun)
    hydra = config["hydra"]
    hydra["verbose"]  # the last of its keys
    apart = ["hydra.mode=", "hydra.sweep.dir=", "hydra/launcher="]
    if "jobs_per_device" not in hydra["launcher"]:  # not of the fleet
        apart.append("hydra.launcher.")
    own = [
        one for one in hydra["overrides"]["hydra"] if not one.lstrip("+").startswith(tuple(apart))
    ]
    return [*hydra["overrides"]["task"], *own]

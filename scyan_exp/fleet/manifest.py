"""``sweep.json``: the jobs of a sweep and the settings of its launcher, what a resume reads."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from scyan_exp.errors import InputError
from scyan_exp.files import write_json
from scyan_exp.fleet.jobs import Check, Job, load_config, without_hydra
from scyan_exp.run.folder import FORMAT, RunFolder, SweepFolder, check_format

#: What damaged files raise when they are read.
DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, YAMLError)


@dataclass(frozen=True)
class _Listed:
    """A job as the file lists it; its config lies in its folder."""

    number: int
    folder: str
    overrides: list[str]


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
    known = _read(path)[0] if path.exists() else []
    by_number = {one.number: one for one in (*known, *(_listed(job, sweep_dir) for job in jobs))}
    listed = [vars(by_number[number]) for number in sorted(by_number)]
    write_json(path, {"format": FORMAT, "launcher": settings, "jobs": listed})


def read_jobs(sweep_dir: Path, check: Check) -> tuple[list[Job], dict[str, Any]]:
    """The jobs of a sweep from its folder, and the settings of its launcher.

    Raises:
        InputError: the folder holds no sweep of the fleet launcher, or a damaged one.
    """
    sweep_dir = sweep_dir.absolute()
    require_sweep(sweep_dir)
    listed, settings = _read(SweepFolder(sweep_dir).manifest)
    jobs, problems = [], []
    for one in listed:
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
    return jobs, settings


def require_sweep(sweep_dir: Path) -> None:
    """Make sure that a folder holds a sweep of the fleet launcher.

    Raises:
        InputError: it does not.
    """
    if not sweep_dir.is_dir():
        raise InputError("no such folder; expected that of a sweep", where=str(sweep_dir))
    if not SweepFolder(sweep_dir).manifest.is_file():
        raise InputError(_why_no_manifest(SweepFolder(sweep_dir)), where=str(sweep_dir))


def _listed(job: Job, sweep_dir: Path) -> _Listed:
    sweep_dir, folder = sweep_dir.absolute(), job.folder
    inside = folder.relative_to(sweep_dir) if folder.is_relative_to(sweep_dir) else folder
    return _Listed(job.number, str(inside), job.overrides)


def _read(path: Path) -> tuple[list[_Listed], dict[str, Any]]:
    """The list of the jobs, and the settings of the launcher."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        check_format(manifest, path)
        jobs = [
            _Listed(int(one["number"]), str(one["folder"]), list(one["overrides"]))
            for one in manifest["jobs"]
        ]
        return jobs, dict(manifest["launcher"])
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"not the list of a sweep's jobs ({type(error).__name__}: {error})", str(path)
        ) from error


def _why_no_manifest(folder: SweepFolder) -> str:
    if not folder.multirun.is_file():
        return f"no sweep: there is no {folder.manifest.name} in it (nor {folder.multirun.name})"
    try:
        overrides = OmegaConf.select(OmegaConf.load(folder.multirun), "hydra.overrides.task") or []
    except (*DAMAGED, OmegaConfBaseException) as error:
        return f"no sweep: {folder.multirun.name} is damaged ({error})"
    of_fleet = ["hydra/launcher=fleet", f"hydra.sweep.dir={folder.path}"]
    command = shlex.join(["scyan-exp", "train", "-m", *overrides, *of_fleet])
    return (
        "this sweep was not started with hydra/launcher=fleet, or was cut off before its first "
        f"job. Run its command again into the same folder, completed jobs are kept: {command}"
    )

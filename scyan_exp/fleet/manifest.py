"""Writing the list of a sweep's jobs, from which a resume reads them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from scyan_exp.config.check import Checker
from scyan_exp.config.compose import first_lines
from scyan_exp.config.plain_values import is_json, with_values
from scyan_exp.documents import parse_yaml, read_yaml
from scyan_exp.errors import InputError
from scyan_exp.fleet.job_config import load_config, without_hydra
from scyan_exp.fleet.jobs import Check, Job, Kept
from scyan_exp.fleet.trusting import folder_problems, job_problems
from scyan_exp.fleet.varied import Base, Varied
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.sweep_files import ListedJob, Manifest

#: The errors of reading damaged files.
DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError),
    YAMLError,
)


def write_jobs(jobs: Sequence[Job], sweep_dir: Path, settings: dict[str, Any]) -> None:
    """Write the list of all jobs with their configs; some configs go to the jobs' folders.

    Jobs in the list stay there. These jobs do not change when the YAML files of the experiment are
    edited later.
    """
    path = SweepFolder(sweep_dir).manifest
    known = Manifest.read(path) if path.exists() else Manifest([], {})
    bases = [*known.bases]
    by_number = {one.number: one for one in known.jobs}
    numbers: dict[int, int] = {}
    for job in jobs:
        if isinstance(job.source, Varied) and id(job.source.base) not in numbers:
            numbers[id(job.source.base)] = len(bases)
            bases.append(_listed_base(job.source.base))
        by_number[job.number] = _listed(job, sweep_dir, numbers)
        if not isinstance(job.source, Varied):
            job.write()
    listed = [by_number[number] for number in sorted(by_number)]
    Manifest(*_in_use(listed, bases, settings)).write(path)


def add_job(job: Job, sweep_dir: Path) -> None:
    """Add a job to the list, and write its config to its folder, at the same cost for each job."""
    job.write()
    Manifest.add(SweepFolder(sweep_dir).manifest, _listed(job, sweep_dir, {}))


def read_jobs(sweep_dir: Path, check: Check) -> tuple[list[Job], dict[str, Any]]:
    """The jobs of a sweep from its folder, and the settings of its launcher.

    Args:
        sweep_dir: the folder.
        check: checks configs that are in the folders of their jobs.

    Raises:
        InputError: the folder holds no sweep of the fleet launcher, or the sweep is damaged.
    """
    sweep_dir = sweep_dir.absolute()
    require_sweep(sweep_dir)
    manifest = Manifest.read(SweepFolder(sweep_dir).manifest)
    bases: dict[int, tuple[Base, Checker]] = {}
    jobs, problems = [], []
    for one in manifest.jobs:
        try:
            if one.base is None:
                jobs.append(_filed(one, sweep_dir, check))
                problems += _told(one, job_problems(jobs[-1].folder, sweep_dir, jobs[-1].hydra))
            else:
                if one.base not in bases:
                    base = _read_base(manifest.bases[one.base], sweep_dir)
                    problems += _told(one, job_problems(sweep_dir, sweep_dir, base.hydra))
                    bases[one.base] = base, Checker(base.config)
                jobs.append(_varied(one, sweep_dir, *bases[one.base]))
                problems += _told(one, folder_problems(jobs[-1].folder, sweep_dir))
        except (*DAMAGED, OmegaConfBaseException) as error:
            folder = sweep_dir / one.folder
            problems.append(f"job {one.number} ({folder}): its config is damaged ({error})")
    if problems:
        raise InputError(problems, where=str(sweep_dir))
    return jobs, dict(manifest.launcher)


def _told(one: ListedJob, problems: Iterable[str]) -> list[str]:
    return [f"job {one.number}: {problem}" for problem in problems]


def _filed(one: ListedJob, sweep_dir: Path, check: Check) -> Job:
    """A job whose config is in its folder."""
    folder = sweep_dir / one.folder
    config = load_config(folder)
    HydraConfig.instance().set_config(config)
    checked = check(without_hydra(config))
    return Job(one.number, folder, one.overrides, Kept(config, is_filed=True), checked)


def _varied(one: ListedJob, sweep_dir: Path, base: Base, check: Checker) -> Job:
    """A job whose config differs from a base in some values."""
    values = {tuple(place): value for place, value in one.values}
    checked = check(with_values(base.config, values))
    return Job(one.number, sweep_dir / one.folder, one.overrides, Varied(base, values), checked)


def _listed_base(base: Base) -> dict[str, Any]:
    """A base as JSON, or its parts as texts of YAML files."""
    parts = {"config": base.config, "hydra": base.hydra}
    return {
        name: part if is_json(part) else OmegaConf.to_yaml(part) for name, part in parts.items()
    }


def _read_base(listed: Mapping[str, Any], sweep_dir: Path) -> Base:
    """Read a base from the list; the sweep may have moved since."""
    config, hydra = (_plain(listed[name]) for name in ("config", "hydra"))
    base = Base(config, with_values(hydra, {("sweep", "dir"): str(sweep_dir)}))
    # Hydra's own part is needed when a job starts; a bad one is refused now, before that.
    assert Job(0, sweep_dir, [], Varied(base, {})).hydra
    return base


def _plain(part: Any) -> dict[str, Any]:
    plain: Any = parse_yaml(part) if isinstance(part, str) else part
    assert isinstance(plain, dict), f"expected a config, found {plain!r}"
    return plain


def _in_use(
    jobs: Iterable[ListedJob], bases: Sequence[Mapping[str, Any]], settings: dict[str, Any]
) -> tuple[list[ListedJob], dict[str, Any], list[Mapping[str, Any]]]:
    """The list without bases that no job uses any more."""
    numbers: dict[int, int] = {}
    listed = [
        one if one.base is None else replace(one, base=numbers.setdefault(one.base, len(numbers)))
        for one in jobs
    ]
    return listed, settings, [bases[number] for number in numbers]


def require_sweep(sweep_dir: Path) -> None:
    """Make sure that a folder holds a sweep of the fleet launcher.

    Raises:
        InputError: it does not.
    """
    if not sweep_dir.is_dir():
        raise InputError("no such folder; expected that of a sweep", where=str(sweep_dir))
    if not SweepFolder(sweep_dir).manifest.is_file():
        raise InputError(_why_no_manifest(SweepFolder(sweep_dir)), where=str(sweep_dir))


def _listed(job: Job, sweep_dir: Path, numbers: Mapping[int, int]) -> ListedJob:
    """A job as the list has it.

    Args:
        job: the job.
        sweep_dir: the folder of the sweep.
        numbers: numbers of the bases, by ``id``.
    """
    sweep_dir, folder = sweep_dir.absolute(), job.folder
    inside = folder.relative_to(sweep_dir) if folder.is_relative_to(sweep_dir) else folder
    if not isinstance(job.source, Varied):
        return ListedJob(job.number, str(inside), job.overrides)
    base, values = numbers[id(job.source.base)], list(job.source.values.items())
    return ListedJob(job.number, str(inside), job.overrides, base, values)


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
    """What was typed to start a sweep, except for its launcher and its folder.

    Raises:
        KeyError: the file ends early, because Hydra was cut off while writing it.
    """
    config = read_yaml(folder.multirun)
    hydra = config["hydra"]
    hydra["verbose"]  # the last of its keys
    apart = ["hydra.mode=", "hydra.sweep.dir=", "hydra/launcher="]
    if "jobs_per_device" not in hydra["launcher"]:  # not of the fleet
        apart.append("hydra.launcher.")
    own = [
        one for one in hydra["overrides"]["hydra"] if not one.lstrip("+").startswith(tuple(apart))
    ]
    return [*hydra["overrides"]["task"], *own]

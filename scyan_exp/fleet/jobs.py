"""Jobs of a sweep: composed, checked and written before the first of them starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import version
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from scyan_exp.errors import InputError
from scyan_exp.files import write_json, write_text

#: Checks the config of a job and returns it resolved.
Check = Callable[[DictConfig], dict[str, Any]]
MANIFEST = "sweep.json"
#: Where the config of a job lies, whatever ``hydra.output_subdir`` says: workers read it.
HYDRA_FOLDER = ".hydra"
#: What damaged files raise when they are read.
DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, YAMLError)


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        number: its number within the sweep.
        folder: its run folder.
        overrides: what distinguishes it, as typed.
        config: the composed config, with Hydra's own part.
        plain: the config as checked, in plain containers; empty for other programs' jobs.
        training: the seed of this one of several trainings of the job; None for the job itself.
    """

    number: int
    folder: Path
    overrides: list[str]
    config: DictConfig
    plain: dict[str, Any] = field(default_factory=dict)
    training: int | None = None

    @property
    def task_config(self) -> DictConfig:
        """The config without Hydra's own part."""
        return without_hydra(self.config)


def compose_jobs(
    load_sweep_config: Callable[[list[str]], DictConfig],
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    check: Check | None,
) -> list[Job]:
    """Compose and check every job.

    Args:
        load_sweep_config: composes the config of one job's overrides.
        job_overrides: the overrides of each job.
        first_number: number of the first one.
        check: checks a config; None for programs that have no check.

    Raises:
        InputError: all that is wrong, with the numbers of the jobs.
    """
    jobs, problems = [], []
    for number, overrides in enumerate(job_overrides, start=first_number):
        config = load_sweep_config(list(overrides))
        with open_dict(config):
            config.hydra.job.id = number
            config.hydra.job.num = number
            # Its time is that of the start, also when a worker reads it.
            config.hydra.sweep.dir = str(config.hydra.sweep.dir)
            if config.hydra.job.chdir is None:  # Hydra's rule, settled here for all workers
                config.hydra.job.chdir = not version.base_at_least("1.2")
        HydraConfig.instance().set_config(config)
        folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder.absolute())
        HydraConfig.instance().set_config(config)
        shown = list(OmegaConf.to_container(config.hydra.overrides.task))  # type: ignore[arg-type]
        try:
            plain = check(without_hydra(config)) if check else {}
        except InputError as error:
            name = f"job {number} ({' '.join(map(str, shown)) or 'no overrides'})"
            problems += [f"{name}: {problem}" for problem in error.problems]
            continue
        jobs.append(Job(number, folder.absolute(), shown, config, plain))
    problems += _shared_folders(jobs)
    if problems:
        raise InputError(problems, where="sweep")
    return jobs


def write_jobs(jobs: Sequence[Job], sweep_dir: Path, settings: dict[str, Any]) -> None:
    """Write the configs of all jobs, and at last the list of them: what a resume reads.

    Editing the YAML files afterwards changes nothing of these jobs.
    """
    for job in jobs:
        hydra_config = OmegaConf.masked_copy(job.config, "hydra")
        parts = {
            "config.yaml": OmegaConf.create(job.plain) if job.plain else job.task_config,
            "hydra.yaml": hydra_config,
            "overrides.yaml": job.config.hydra.overrides.task,
        }
        for name, part in parts.items():
            write_text(job.folder / HYDRA_FOLDER / name, OmegaConf.to_yaml(part))
    listed = _read_manifest(sweep_dir).get("jobs", []) if (sweep_dir / MANIFEST).exists() else []
    numbers = {job.number for job in jobs}
    listed = [one for one in listed if one["number"] not in numbers]
    listed += [
        {
            "number": job.number,
            "folder": _relative(job.folder, sweep_dir),
            "overrides": job.overrides,
        }
        for job in jobs
    ]
    listed.sort(key=lambda one: one["number"])
    write_json(sweep_dir / MANIFEST, {"launcher": settings, "jobs": listed})


def read_jobs(sweep_dir: Path, check: Check) -> tuple[list[Job], dict[str, Any]]:
    """The jobs of a sweep from its folder, and the settings of its launcher.

    Raises:
        InputError: the folder holds no sweep of the fleet launcher, or a damaged one.
    """
    sweep_dir = sweep_dir.absolute()
    if not sweep_dir.is_dir():
        raise InputError("no such folder; expected that of a sweep", where=str(sweep_dir))
    if not (sweep_dir / MANIFEST).is_file():
        raise InputError(_why_no_manifest(sweep_dir), where=str(sweep_dir))
    manifest = _read_manifest(sweep_dir)
    jobs, problems = [], []
    for one in manifest["jobs"]:
        folder = sweep_dir / one["folder"]
        try:
            config = load_config(folder)
            HydraConfig.instance().set_config(config)
            plain = check(without_hydra(config))
        except (*DAMAGED, OmegaConfBaseException) as error:
            problems.append(f"job {one['number']} ({folder}): its config is damaged ({error})")
        else:
            jobs.append(Job(one["number"], folder, one["overrides"], config, plain))
    if problems:
        raise InputError(problems, where=str(sweep_dir))
    return jobs, manifest["launcher"]


def load_config(folder: Path) -> DictConfig:
    """The config of a job from the files that :func:`write_jobs` wrote."""
    hydra_folder = folder / HYDRA_FOLDER
    hydra_config = OmegaConf.load(hydra_folder / "hydra.yaml")
    config = OmegaConf.structured({"hydra": HydraConf})
    with open_dict(config), open_dict(config.hydra):
        config.merge_with(hydra_config)
        config.merge_with(OmegaConf.load(hydra_folder / "config.yaml"))
        # The sweep may have been moved since.
        config.hydra.runtime.output_dir = str(folder.absolute())
        config.hydra.sweep.dir = str(_sweep_dir(folder.absolute(), config))
    assert isinstance(config, DictConfig)
    return config


def _sweep_dir(folder: Path, config: DictConfig) -> Path:
    """The folder of the sweep that holds a job's."""
    inside = Path(str(config.hydra.sweep.subdir)).parts
    is_inside = bool(inside) and folder.parts[-len(inside) :] == inside
    return folder.parents[len(inside) - 1] if is_inside else Path(str(config.hydra.sweep.dir))


def _read_manifest(sweep_dir: Path) -> dict[str, Any]:
    path = sweep_dir / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        jobs = [
            {
                "number": int(one["number"]),
                "folder": str(one["folder"]),
                "overrides": list(one["overrides"]),
            }
            for one in manifest["jobs"]
        ]
        return {"launcher": dict(manifest["launcher"]), "jobs": jobs}
    except DAMAGED as error:
        raise InputError(
            f"not the list of a sweep's jobs ({type(error).__name__}: {error})", str(path)
        ) from error


def _why_no_manifest(sweep_dir: Path) -> str:
    path = sweep_dir / "multirun.yaml"
    if not path.is_file():
        return f"no sweep: there is no {MANIFEST} in it (nor multirun.yaml)"
    try:
        overrides = OmegaConf.select(OmegaConf.load(path), "hydra.overrides.task") or []
    except (*DAMAGED, OmegaConfBaseException) as error:
        return f"no sweep: multirun.yaml is damaged ({error})"
    command = " ".join(["scyan-exp train -m", *map(_quoted, overrides)])
    return (
        "this sweep was not started with hydra/launcher=fleet, or was cut off before its first "
        f"job. Run its command again into the same folder, completed jobs are kept: {command} "
        f"hydra/launcher=fleet hydra.sweep.dir={sweep_dir}"
    )


def _quoted(override: str) -> str:
    return f"'{override}'" if set(override) & set(" ()[]{}*?&|;<>$!#") else override


def _shared_folders(jobs: Sequence[Job]) -> list[str]:
    by_folder: dict[Path, list[Job]] = {}
    for job in jobs:
        by_folder.setdefault(job.folder, []).append(job)
    return [
        f"jobs {', '.join(str(job.number) for job in same)} would share the folder {folder}; use "
        "a hydra.sweep.subdir that differs, such as ${hydra.job.num}"
        for folder, same in by_folder.items()
        if len(same) > 1
    ]


def without_hydra(config: DictConfig) -> DictConfig:
    """The config that a program sees."""
    task_config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(task_config, True)
    return task_config


def _relative(folder: Path, sweep_dir: Path) -> str:
    sweep_dir = sweep_dir.absolute()
    return str(folder.relative_to(sweep_dir) if folder.is_relative_to(sweep_dir) else folder)

"""What is wrong with the settings of the fleet, or with jobs that do not fit its devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from scyan_exp.config.schema import TrainerConfig
from scyan_exp.config.sentences import problems_of
from scyan_exp.errors import InputError, Problem, near_matches
from scyan_exp.fleet.engines.base import ENGINES
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.settings import FleetSettings


def check_settings(values: Mapping[str, Any]) -> FleetSettings:
    """Check the settings.

    Raises:
        InputError: everything that is wrong with them.
    """
    problems = list(_engine_problems(values.get("engine")))
    try:
        settings = FleetSettings.model_validate(dict(values))
    except ValidationError as error:
        problems += problems_of(error, FleetSettings, "hydra.launcher.")
    if problems:
        raise InputError(problems, where="config")
    return settings


def check_jobs_fit(jobs: Sequence[Job], settings: FleetSettings) -> bool:
    """Make sure that the fleet can give jobs the devices that they ask for.

    Returns:
        Whether the jobs train on GPUs.

    Raises:
        InputError: jobs ask for several devices, or for other devices than the fleet's.
    """
    trainers = {job.number: job.checked.trainer for job in jobs if job.checked is not None}
    on_gpu = {trainer.on_gpu for trainer in trainers.values()}
    problems = [
        f"job {number}: trainer.devices={trainer.devices}: {problem}"
        for number, trainer in trainers.items()
        for problem in _device_problems(trainer)
    ]
    problems += _accelerator_problems(on_gpu, settings.devices)
    if problems:
        raise InputError(problems, where="sweep")
    return True in on_gpu


def _engine_problems(engine: Any) -> Iterator[Problem]:
    if isinstance(engine, str) and engine not in ENGINES:
        known = " or ".join(map(repr, ENGINES))
        hint = near_matches(engine, ENGINES)
        yield Problem("hydra.launcher.engine", f"expected {known}, found {engine!r}.{hint}")


def _device_problems(trainer: TrainerConfig) -> Iterator[str]:
    if trainer.n_processes != 1:
        yield (
            "each job of this launcher gets one device; use trainer.devices=1, or run this sweep "
            "with hydra/launcher=basic"
        )
    elif trainer.devices not in (1, [0]):
        yield (
            "this launcher chooses the device; use trainer.devices=1 and "
            f"hydra.launcher.devices={trainer.devices}"
        )


def _accelerator_problems(on_gpu: set[bool], devices: str | list[int]) -> Iterator[str]:
    if len(on_gpu) > 1:
        yield "some jobs train on GPUs and some on the CPU: make them two sweeps"
    elif devices == "cpu" and True in on_gpu:
        yield "hydra.launcher.devices=cpu: but the jobs have trainer=gpu; add trainer=cpu"
    elif isinstance(devices, list) and False in on_gpu:
        yield (f"hydra.launcher.devices={devices}: but the jobs train on the CPU; add trainer=gpu")

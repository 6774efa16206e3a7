"""Settings of the fleet launcher: ``hydra.launcher.*``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.config.sentences import problems_of
from scyan_exp.errors import InputError
from scyan_exp.fleet.jobs import Job

Count = Annotated[int, Field(ge=1)]


class RaySettings(BaseModel):
    """``hydra.launcher.ray.*``: arguments of ``ray.init``, and CPUs and GPUs a job."""

    model_config = ConfigDict(extra="forbid")

    init: dict[str, Any] = {}
    num_cpus: Annotated[float, Field(gt=0)] = 1
    num_gpus: Annotated[float, Field(ge=0)] | None = None


class FleetSettings(BaseModel):
    """What the fleet launcher can be told.

    Attributes:
        engine: ``local`` (this machine) or ``ray`` (a Ray cluster, or this machine through Ray).
        devices: ``auto``, ``cpu`` or numbers of GPUs.
        jobs_per_device: jobs at a time on each GPU, or on the CPU.
        threads_per_job: threads of each job.
        retries: further attempts of a job whose process was lost.
        error_retries: further attempts of a job that raised an error or timed out.
        timeout_min: minutes that a job may take.
        on_failure: ``continue`` with the other jobs, or ``stop`` starting new ones.
        ray: what the engine ``ray`` needs.
    """

    model_config = ConfigDict(extra="forbid")

    engine: Literal["local", "ray"] = "local"
    devices: Literal["auto", "cpu"] | list[Annotated[int, Field(ge=0)]] = "auto"
    jobs_per_device: Count | None = None
    threads_per_job: Count | None = None
    retries: Annotated[int, Field(ge=0)] = 1
    error_retries: Annotated[int, Field(ge=0)] = 0
    timeout_min: Annotated[float, Field(gt=0)] | None = None
    on_failure: Literal["continue", "stop"] = "continue"
    ray: RaySettings = RaySettings()


def check_settings(values: Mapping[str, Any]) -> FleetSettings:
    """Check the settings.

    Raises:
        InputError: everything that is wrong with them.
    """
    try:
        return FleetSettings.model_validate(dict(values))
    except ValidationError as error:
        problems = problems_of(error, FleetSettings, "hydra.launcher.")
        raise InputError(problems, where="config") from error


def check_jobs_fit(jobs: Sequence[Job], settings: FleetSettings) -> bool:
    """Make sure that the fleet can honour what the jobs ask for.

    Returns:
        Whether the jobs train on GPUs.

    Raises:
        InputError: jobs of several devices, or devices that are not those of the jobs.
    """
    problems, accelerators = [], set()
    for job in jobs:
        trainer = job.plain.get("trainer")
        if trainer is None:
            continue
        devices = trainer["devices"]
        n_devices = len(devices) if isinstance(devices, list) else devices
        if n_devices != 1:
            problems.append(
                f"job {job.number}: trainer.devices={devices}: the fleet leases one device to "
                "each job; use trainer.devices=1, or run this sweep with hydra/launcher=basic"
            )
        elif isinstance(devices, list) and devices != [0]:
            problems.append(
                f"job {job.number}: trainer.devices={devices}: the fleet chooses the device; use "
                f"trainer.devices=1 and hydra.launcher.devices={devices}"
            )
        accelerators.add("gpu" if trainer["accelerator"] in ("gpu", "cuda") else "cpu")
    wants_gpu = "gpu" in accelerators
    if len(accelerators) > 1:
        problems.append("some jobs train on GPUs and some on the CPU: make them two sweeps")
    elif settings.devices == "cpu" and wants_gpu:
        problems.append(
            "hydra.launcher.devices=cpu: but the jobs have trainer=gpu; add trainer=cpu"
        )
    elif isinstance(settings.devices, list) and accelerators == {"cpu"}:
        problems.append(
            f"hydra.launcher.devices={settings.devices}: but the jobs train on the CPU; add "
            "trainer=gpu"
        )
    if problems:
        raise InputError(problems, where="sweep")
    return wants_gpu

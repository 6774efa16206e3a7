"""Settings of the fleet launcher: ``hydra.launcher.*``, declared here alone.

Hydra's plugin makes its own declaration from this one at every start of any program, so this file
imports little.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scyan_exp.config.types import Count


class RaySettings(BaseModel):
    """``hydra.launcher.ray.*``: arguments of ``ray.init``, and CPUs and GPUs a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    init: dict[str, Any] = {}
    num_cpus: Annotated[float, Field(gt=0)] = 1
    num_gpus: Annotated[float, Field(ge=0)] | None = None


class FleetSettings(BaseModel):
    """What the fleet launcher can be told.

    Attributes:
        engine: ``local`` (this machine), ``ray`` (a Ray cluster, or this machine through Ray), or
            another file of ``fleet/engines/``.
        devices: ``auto``, ``cpu`` or numbers of GPUs.
        jobs_per_device: jobs at a time on each GPU, or on the CPU.
        threads_per_job: threads of each job.
        retries: further attempts of a job whose process was lost.
        error_retries: further attempts of a job that raised an error or timed out.
        timeout_min: minutes that a job may take.
        on_failure: ``continue`` with the other jobs, or ``stop`` starting new ones.
        ray: what the engine ``ray`` needs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str = "local"
    devices: Literal["auto", "cpu"] | list[Annotated[int, Field(ge=0)]] = "auto"
    jobs_per_device: Count | None = None
    threads_per_job: Count | None = None
    retries: Annotated[int, Field(ge=0)] = 1
    error_retries: Annotated[int, Field(ge=0)] = 0
    timeout_min: Annotated[float, Field(gt=0)] | None = None
    on_failure: Literal["continue", "stop"] = "continue"
    ray: RaySettings = RaySettings()

    @property
    def timeout(self) -> float | None:
        """Seconds that a job may take; None for any number."""
        return None if self.timeout_min is None else 60 * self.timeout_min

"""Settings of the fleet launcher: ``hydra.launcher.*``, declared here alone.

Hydra's plugin makes its own declaration from this one at every start of any program, so this file
imports little.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from scyan_exp.config.types import Count


class RaySettings(BaseModel):
    """``hydra.launcher.ray.*``: the cluster, and what each job asks of it.

    Attributes:
        init: arguments of ``ray.init``, such as the address of a cluster.
        num_cpus: CPUs of each job.
        num_gpus: GPUs of each job, also parts of one; None for one where it trains on GPUs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    init: dict[str, Any] = {}
    num_cpus: Annotated[float, Field(gt=0)] = 1
    num_gpus: Annotated[float, Field(ge=0)] | None = None


#: GPUs of a node: how many, of which kind (a MIG profile too), or both, as in ``a100_3g.20gb:2``.
GPUS = r"^([A-Za-z][\w.\-]*(:[1-9]\d*)?|[1-9]\d*)$"
#: What this program says itself to ``sbatch``.
TAKEN = (
    "array",
    "error",
    "job-name",
    "ntasks",
    "nodes",
    "open-mode",
    "output",
    "requeue",
    "signal",
)


def _additional(value: dict[str, Any]) -> dict[str, Any]:
    """Options of ``sbatch`` that are free to be set."""
    for key in value:
        if key.replace("_", "-") in TAKEN or not re.fullmatch(r"[a-z][a-z0-9_-]*", key):
            raise ValueError(f"long options of sbatch, such as constraint; not {key}")
    return value


class SlurmSettings(BaseModel):
    """``hydra.launcher.slurm.*``: what Slurm is asked for, and how the jobs share it.

    Attributes:
        n_parallel: Slurm jobs at a time.
        jobs_per_allocation: jobs that a Slurm job runs, one after the other, before it ends; None
            for as many as there are.
        partition: partition of Slurm, as for ``sbatch``.
        account: account that is charged, as for ``sbatch``.
        qos: quality of service, as for ``sbatch``.
        time: limit of a Slurm job: minutes, or as Slurm writes it; it comes back and goes on.
        mem: memory of a Slurm job, such as ``16GB``.
        cpus_per_task: cores of a Slurm job; None for one for each thread.
        gpus_per_node: GPUs, of which each job gets one: a number, a kind (such as a MIG profile),
            or both.
        setup: lines of shell before Python starts, such as ``module load ...``.
        additional_parameters: any other long options of ``sbatch``.
        launcher_parameters: options of ``sbatch`` for the Slurm job of a detached launcher, where
            it is to have others.
        signal_delay_s: seconds before the time limit at which the jobs are told to save.
        max_requeues: how often a Slurm job that was cut off comes back.
        ask_every_s: seconds between questions to Slurm.
        detach: whether the launcher too runs in a Slurm job, and the command returns at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_parallel: Count = 16
    jobs_per_allocation: Count | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: int | str | None = None
    mem: str | None = None
    cpus_per_task: Count | None = None
    gpus_per_node: Annotated[str, Field(pattern=GPUS)] | Count | None = None
    setup: list[str] = []
    additional_parameters: Annotated[dict[str, Any], AfterValidator(_additional)] = {}
    launcher_parameters: Annotated[dict[str, Any], AfterValidator(_additional)] = {}
    signal_delay_s: Count = 120
    max_requeues: Annotated[int, Field(ge=0)] = 20
    ask_every_s: Annotated[float, Field(gt=0)] = 10
    detach: bool = False

    @property
    def n_gpus(self) -> int:
        """GPUs of a Slurm job that has some."""
        number = str(self.gpus_per_node).rpartition(":")[2]
        return int(number) if number.isdecimal() else 1


class FleetSettings(BaseModel):
    """What the fleet launcher can be told.

    Attributes:
        engine: where jobs run: ``local`` (this machine), ``ray`` (a Ray cluster, or this machine
            through Ray), ``slurm`` (a Slurm cluster), or another file of ``fleet/engines/``.
        devices: what they run on: ``auto``, ``cpu`` or numbers of GPUs.
        jobs_per_device: jobs at a time on each GPU, or on the CPU.
        threads_per_job: threads of each job.
        retries: further attempts of a job whose process was lost.
        error_retries: further attempts of a job that raised an error or timed out.
        timeout_min: minutes that a job may take.
        on_failure: what follows a failed job: ``continue`` with the other jobs, or ``stop``
            starting new ones.
        ray: what the engine ``ray`` needs.
        slurm: what the engine ``slurm`` needs.
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
    slurm: SlurmSettings = SlurmSettings()

    @property
    def timeout(self) -> float | None:
        """Seconds that a job may take; None for any number."""
        return None if self.timeout_min is None else 60 * self.timeout_min

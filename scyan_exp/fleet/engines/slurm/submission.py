"""Submitting one Slurm job, or an array of them, through submitit."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from scyan_exp.fleet.engines.base import Needs
from scyan_exp.fleet.engines.slurm.commands import SlurmError, said
from scyan_exp.fleet.engines.slurm.foreman import Place
from scyan_exp.fleet.settings import SlurmSettings

#: Parameters of submitit that are not options of ``sbatch``.
OF_SUBMITIT = ("setup", "signal_delay_s", "array_parallelism", "stderr_to_stdout", "wckey")

#: Variables by which Slurm's programs find the cluster.
OF_CLUSTER = ("SLURM_CONF", "SLURM_CLUSTERS")


def place_of(needs: Needs) -> Place:
    """What one allocation offers, by the settings."""
    settings = needs.settings
    per_device = settings.jobs_per_device or 1
    n_slots = per_device * (settings.slurm.n_gpus if needs.wants_gpu else 1)
    n_threads = settings.threads_per_job or max(1, (settings.slurm.cpus_per_task or 1) // n_slots)
    return Place(n_slots, n_threads, per_device, needs.wants_gpu)


def n_allocations(needs: Needs, place: Place) -> int:
    """Slurm jobs at a time."""
    return min(needs.settings.slurm.n_parallel, math.ceil(needs.n_jobs / place.n_slots))


def parameters_of(settings: SlurmSettings, name: str, place: Place) -> dict[str, Any]:
    """The parameters for submitit."""
    gpus = settings.gpus_per_node
    return {
        "job_name": name,
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "time": settings.time,
        "mem": settings.mem,
        "cpus_per_task": settings.cpus_per_task or place.n_slots * place.n_threads,
        "gpus_per_node": (1 if gpus is None else gpus) if place.on_gpu else None,
        "setup": list(settings.setup),
        "signal_delay_s": settings.signal_delay_s,
        "array_parallelism": settings.n_parallel,
        "stderr_to_stdout": True,
        "wckey": None,
        "additional_parameters": {"requeue": True, **settings.additional_parameters},
    }


def options_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``sbatch`` among submitit's parameters."""
    options = {key: value for key, value in parameters.items() if key not in OF_SUBMITIT}
    additional: dict[str, Any] = options.pop("additional_parameters")
    return {**options, **additional}


def submit(
    functions: Sequence[Callable[[], None]], folder: Path, parameters: Mapping[str, Any]
) -> list[str]:
    """Submit a Slurm job for each function; returns their ids.

    The functions are passed in a file that only the Slurm job reads.

    Args:
        functions: what each Slurm job calls.
        folder: where scripts and logs go.
        parameters: see :func:`parameters_of`.

    Raises:
        SlurmError: Slurm refused, so nothing was submitted.
    """
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = SlurmExecutor(folder)
    executor.update_parameters(**parameters)
    before = set(folder.iterdir())
    try:
        with _outside_of_jobs(), redirect_stderr(io.StringIO()):
            jobs = executor.submit_array(functions)
    except (FailedJobError, FailedSubmissionError) as error:
        for path in set(folder.iterdir()) - before:
            path.unlink()
        raise SlurmError(said(str(error))) from error
    return [job.job_id for job in jobs]


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide the variables of the Slurm job that this process may run in from new jobs."""
    from submitit.core.utils import environment_variables
    from submitit.helpers import clean_env

    kept = {name: os.environ[name] for name in OF_CLUSTER if name in os.environ}
    with clean_env(), environment_variables(**kept):
        yield


def log_of(folder: Path, job_id: str) -> Path:
    """The file with what a Slurm job prints."""
    return folder / f"{job_id}_0_log.out"

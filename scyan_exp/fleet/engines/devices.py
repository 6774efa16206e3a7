"""Devices of a machine, and the slots in which jobs run on them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from scyan_exp.errors import InputError


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time.

    Attributes:
        name: its name in tables, such as ``cpu:3`` or ``gpu:0``.
        n_threads: threads of a job.
        environment: variables of its worker, which sees no GPU but its own.
    """

    name: str
    n_threads: int
    environment: dict[str, str] = field(default_factory=dict)


def make_slots(
    devices: str | Sequence[int],
    jobs_per_device: int | None,
    threads_per_job: int | None,
    jobs_want_gpu: bool,
) -> list[Slot]:
    """The slots that the settings of a launcher ask for.

    Args:
        devices: ``auto``, ``cpu``, or numbers of GPUs.
        jobs_per_device: jobs at a time on each GPU (by default 1), or on the CPU (by default as
            many as it has cores for).
        threads_per_job: by default 1 on the CPU, and a fair share of the cores on GPUs.
        jobs_want_gpu: whether the jobs train on a GPU, which decides ``auto``.

    Raises:
        InputError: there is no such GPU.
    """
    n_cores = available_cores()
    if devices == "cpu" or (devices == "auto" and not jobs_want_gpu):
        n_threads = threads_per_job or 1
        n_slots = jobs_per_device or max(1, n_cores // n_threads)
        return [Slot(f"cpu:{i}", n_threads, {"CUDA_VISIBLE_DEVICES": ""}) for i in range(n_slots)]
    found = visible_gpus()
    wanted = list(range(len(found))) if devices == "auto" else [int(i) for i in devices]
    absent = [i for i in wanted if not 0 <= i < len(found)]
    if absent or not wanted:
        there = f"GPUs 0 to {len(found) - 1}" if found else "no GPU (nvidia-smi shows none)"
        raise InputError(
            f"hydra.launcher.devices={devices}: this machine has {there}. Use "
            "hydra.launcher.devices=cpu with trainer=cpu, or other numbers",
            where="config",
        )
    per_device = jobs_per_device or 1
    n_threads = threads_per_job or max(1, n_cores // (len(wanted) * per_device))
    return [
        Slot(
            f"gpu:{i}" if per_device == 1 else f"gpu:{i}.{share}",
            n_threads,
            {"CUDA_VISIBLE_DEVICES": found[i], "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        )
        for share in range(per_device)
        for i in wanted
    ]


def available_cores() -> int:
    """Cores that this process may use: in a container or under Slurm, not all of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """CUDA's names for the GPUs that this process may use, found without importing torch."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [name for name in allowed.split(",") if name and name != "-1"]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    names = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(i) for i in range(len(names))]

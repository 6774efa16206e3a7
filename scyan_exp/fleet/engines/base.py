"""Engines run jobs: their common interface, and how one is found by name."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig

from scyan_exp.config.registry import Registry
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.run.outcome import Outcome

#: The program that each job runs.
Task = Callable[[DictConfig], Any]


@dataclass(frozen=True)
class Ended:
    """The end of one job.

    Attributes:
        job: the job.
        outcome: how it ended: completed, failed, interrupted, lost or timed out.
        value: what the job returned, if it completed.
        error: what went wrong, if it did not complete.
        seconds: how long it took.
        device: the slot it ran in.
    """

    job: Job
    outcome: Outcome
    value: Any = None
    error: str | None = None
    seconds: float = 0.0
    device: str = ""


@dataclass(frozen=True)
class Needs:
    """What an engine gets when it is made.

    Attributes:
        settings: ``hydra.launcher``.
        task: the program that each job runs.
        wants_gpu: whether the jobs train on GPUs.
        n_jobs: the most jobs that there will be.
        sweep_dir: the folder of the sweep.
    """

    settings: FleetSettings
    task: Task
    wants_gpu: bool = False
    n_jobs: int = 1
    sweep_dir: Path = Path()


class Engine(Protocol):
    """Runs jobs in processes of their own.

    Attributes:
        n_slots: jobs that it runs at a time.
    """

    n_slots: int

    def submit(self, job: Job) -> None:
        """Start a job; a slot must be free."""

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended since the last call; waits for the first of them."""

    def interrupt(self) -> None:
        """Let running jobs end their epoch and save. No job is told twice."""

    def kill(self) -> None:
        """End all running jobs at once."""

    def close(self) -> None:
        """End all processes."""


#: Makes an engine, which starts nothing yet; raises an InputError if it cannot work.
MakeEngine = Callable[[Needs], Engine]

#: Engines by name; each file of this folder adds its own.
ENGINES: Registry[MakeEngine] = Registry(
    "engine",
    [
        f"scyan_exp.fleet.engines.{module.name}"
        for module in pkgutil.iter_modules([str(Path(__file__).parent)])
        if module.name != "base"
    ],
)


def engine(name: str) -> Callable[[MakeEngine], MakeEngine]:
    """Register what makes the engine of ``hydra.launcher.engine=NAME``."""

    def add(make: MakeEngine) -> MakeEngine:
        ENGINES.add(name, make)
        return make

    return add


def late(timeout: float | None) -> str:
    """The error of a job that was ended because it took too long."""
    assert timeout is not None
    return f"took longer than hydra.launcher.timeout_min={timeout / 60:g}"

"""What runs jobs: the interface of ``local.py`` and ``ray_engine.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scyan_exp.fleet.jobs import Job

#: ``lost``: the process went away; ``timed out``: it was killed for taking too long.
EndStatus = Literal["completed", "failed", "interrupted", "lost", "timed out"]


@dataclass(frozen=True)
class Ended:
    """The end of one job.

    Attributes:
        job: the job.
        status: how it ended.
        value: what the job returned, when completed.
        error: what went wrong, else.
        seconds: how long it took.
        device: the slot it ran in.
    """

    job: Job
    status: EndStatus
    value: Any = None
    error: str | None = None
    seconds: float = 0.0
    device: str = ""


def late(timeout: float | None) -> str:
    """Why a job was ended that took too long."""
    assert timeout is not None
    return f"took longer than hydra.launcher.timeout_min={timeout / 60:g}"


class Engine(Protocol):
    """Runs jobs in processes of their own."""

    n_slots: int

    def submit(self, job: Job) -> None:
        """Start a job; there must be a free slot."""

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended since the last call; waits for the first of them."""

    def interrupt(self) -> None:
        """Let running jobs end their epoch and save; no job is told twice."""

    def kill(self) -> None:
        """End running jobs at once."""

    def close(self) -> None:
        """End all processes."""

"""What Hydra gets back: a ``JobReturn`` for each job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.state import JobState
from scyan_exp.run.job import JobFailed
from scyan_exp.run.outcome import Outcome


class QuietReturn(JobReturn):
    """A result that only raises its error, where Hydra's own would also print it with a traceback.

    Configs are made on demand, as a sweep may have thousands of jobs.

    Args:
        job: the job.
        status: whether it completed.
        value: what it returned, or the error to raise.
    """

    def __init__(self, job: Job, status: JobStatus, value: Any) -> None:
        self._job, self.status, self._return_value = job, status, value
        self.overrides, self.task_name = job.overrides, job.hydra["job"]["name"]
        self.working_dir = str(job.folder if job.hydra["job"]["chdir"] else Path.cwd())

    @property
    def cfg(self) -> DictConfig:  # type: ignore[override]
        """The config that the program saw."""
        return self._job.task_config

    @property
    def hydra_cfg(self) -> DictConfig:  # type: ignore[override]
        """Hydra's own part of the config."""
        return OmegaConf.masked_copy(self._job.config, "hydra")

    @property
    def return_value(self) -> Any:
        """What the job returned.

        Raises:
            JobFailed: it did not complete.
        """
        if self.status == JobStatus.COMPLETED:
            return self._return_value
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def job_return(state: JobState, failure: JobFailed | None) -> JobReturn:
    """The result of a job.

    Args:
        state: how the job ended.
        failure: the error of the whole sweep, for jobs that did not complete.
    """
    completed = state.outcome == Outcome.COMPLETED
    status = JobStatus.COMPLETED if completed else JobStatus.FAILED
    return QuietReturn(state.job, status, state.value if completed else failure)

"""What Hydra gets back: a ``JobReturn`` for each job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from scyan_exp.fleet.state import JobState
from scyan_exp.run.job import JobFailed
from scyan_exp.run.outcome import Outcome


class QuietReturn(JobReturn):
    """A result that only raises its error; Hydra's own would print it again, with a traceback."""

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
        failure: the error of the whole sweep, for jobs that are not completed.
    """
    completed, job = state.outcome == Outcome.COMPLETED, state.job
    result = QuietReturn(
        overrides=job.overrides,
        cfg=job.task_config,
        hydra_cfg=OmegaConf.masked_copy(job.config, "hydra"),
        working_dir=str(job.folder if job.config.hydra.job.chdir else Path.cwd()),
        task_name=job.config.hydra.job.name,
        status=JobStatus.COMPLETED if completed else JobStatus.FAILED,
    )
    result.return_value = state.value if completed else failure
    return result

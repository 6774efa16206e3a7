"""Jobs with repeats on the fleet: each training is a job of its own, before the job itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.config.check import config_hash
from scyan_exp.files import write_text
from scyan_exp.fleet.jobs import HYDRA_FOLDER, Job
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, clear_earlier
from scyan_exp.run.repeats import Repeat, repeats_of
from scyan_exp.terminal import short_numbers


class Family:
    """A job with repeats, and its trainings.

    The job itself comes last: it finds all trainings completed, and makes their consensus. In a
    search that prunes, the first training runs alone before the others, as it may be pruned.

    Args:
        job: the job.

    Attributes:
        seconds: how long its trainings took.
        is_over: whether there is nothing more to start.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.seconds, self.is_over = job, 0.0, False
        repeats = [one for one in repeats_of(job.plain, job.folder) if not _is_done(one)]
        self._trainings = deque(repeats)
        sweeper = job.config.hydra.sweeper
        first_is_left = bool(repeats) and repeats[0].seed == job.plain["seed"]
        self._first_alone = bool(sweeper.get("prunes")) and first_is_left
        self._n_running = 0
        self._record = RunRecord(job.folder, config_hash(job.plain), job.plain["seed"])
        clear_earlier(job.folder)
        self._record.write()

    def next(self) -> Job | None:
        """A training to start, or at last the job; None while others must end first."""
        if self._n_running and (self._first_alone or not self._trainings):
            return None
        if self._trainings:
            self._n_running += 1
            return _training_job(self.job, self._trainings.popleft(), self._first_alone)
        if self.is_over:
            return None
        self.is_over = True
        return self.job

    def ended(self, status: str, seconds: float) -> None:
        """A training has ended; after a pruned one only the job itself is left to do."""
        self._n_running -= 1
        self._first_alone = False
        self.seconds += seconds
        if status != "completed":
            self._trainings.clear()
        if status not in ("completed", "pruned"):
            self.stop()

    def fail(self, status: str, error: str) -> None:
        """Write into the record of the job how it ended without being run itself."""
        self._record.fail(Outcome(status), error)

    def stop(self) -> None:
        """Start nothing more of it, the job itself neither."""
        self._trainings.clear()
        self.is_over = True


def n_trainings(jobs: Sequence[Job]) -> int:
    """Trainings in all."""
    return sum(job.plain.get("repeats", 1) for job in jobs)


def has_members(job: Job) -> bool:
    """Whether a job consists of several trainings."""
    return bool(job.plain) and job.plain.get("repeats", 1) > 1


def _is_done(repeat: Repeat) -> bool:
    ended = RunRecord.read_ended(repeat.folder, repeat.config)
    return ended is not None and ended.status == Outcome.COMPLETED


def _training_job(job: Job, repeat: Repeat, reports: bool) -> Job:
    """The job of one training, its config written where a worker reads it."""
    hydra: Any = OmegaConf.to_container(OmegaConf.masked_copy(job.config, "hydra"))
    own = hydra["hydra"]
    own["runtime"]["output_dir"] = str(repeat.folder)
    sweep_dir = Path(str(job.config.hydra.sweep.dir)).absolute()
    own["sweep"]["subdir"] = str(repeat.folder.relative_to(sweep_dir))
    if "prunes" in own["sweeper"]:
        own["sweeper"]["prunes"] = reports
    overrides = short_numbers(str(job.config.hydra.job.override_dirname))
    name = job.plain["name"] or overrides or job.folder.name
    plain = {**repeat.config, "name": f"{name} seed={repeat.seed}"}
    parts = {
        "config.yaml": plain,
        "hydra.yaml": hydra,
        "overrides.yaml": own["overrides"]["task"],
    }
    for file, part in parts.items():
        write_text(
            repeat.folder / HYDRA_FOLDER / file,
            OmegaConf.to_yaml(OmegaConf.create(part)),
            durable=False,
        )
    return replace(job, folder=repeat.folder, plain=plain, training=repeat.seed)

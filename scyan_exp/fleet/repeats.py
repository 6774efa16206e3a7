"""Jobs with repeats on the fleet: each repeat is a job of its own, before the job itself."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scyan_exp.config.schema import RunConfig
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.observer import Observer
from scyan_exp.fleet.source import SourceOfRepeats
from scyan_exp.fleet.state import JobState
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, clear_earlier
from scyan_exp.run.repeat import Repeat, end_decided, finished_values, repeats_of
from scyan_exp.terminal import short_numbers


class WithRepeats:
    """The jobs of another source, each of which runs after its repeats.

    Args:
        source: gives the jobs.
        observer: is told about jobs that begin with a repeat, or end because one failed.
        n_parallel: jobs at a time, however many repeats each has.

    Attributes:
        n_jobs: number of jobs, without their repeats.
    """

    def __init__(self, source: SourceOfRepeats, observer: Observer, n_parallel: int) -> None:
        self.n_jobs = source.n_jobs
        self._source, self._observer, self._n_parallel = source, observer, n_parallel
        self._begun: set[int] = set()
        self._families: dict[int, Family] = {}

    def next(self) -> JobState | None:
        """A repeat of a job that has begun, that job itself, or a new job.

        If the search may decide a job before all its repeats are finished, its repeats run one at a
        time, as long as other jobs have something to start.
        """
        return (
            self._next_of(one for one in self._families.values() if not one.is_waiting)
            or self._new()
            or self._next_of(self._families.values())
        )

    def _next_of(self, families: Iterable[Family]) -> JobState | None:
        states = (family.next() for family in families)
        return next((state for state in states if state is not None), None)

    def _new(self) -> JobState | None:
        """A new job, or its first repeat."""
        if len(self._begun) >= self._n_parallel:
            return None
        state = self._source.next()
        if state is None or state.is_kept:
            return state
        if has_repeats(state.job):
            return self._begin(state)
        self._begun.add(state.job.number)
        return state

    def ended(self, state: JobState) -> None:
        """A repeat that failed ends its job. The seconds of a job include those of its repeats."""
        family = self._families.get(state.job.number)
        if state.job.repeat is None:
            self._begun.discard(state.job.number)
            self._families.pop(state.job.number, None)
            state.seconds += 0.0 if family is None else family.seconds
            self._source.ended(state)
        elif family is not None:  # None if its job ended before it
            family.ended(state)
            if not family.is_over and self._is_decided(family):
                family.want_no_more()
            if family.is_over:
                self.ended(family.state)
                self._observer.ended(family.state)

    def _is_decided(self, family: Family) -> bool:
        values = family.values
        return bool(values) and family.has_left and self._source.is_decided(family.job, values)

    def _begin(self, state: JobState) -> JobState | None:
        """The first repeat of a job, or the job itself if all repeats are completed."""
        family = Family(state)
        if self._is_decided(family):  # the fleet was killed before it wrote that
            family.want_no_more()
            state.is_kept = True
            return state
        self._begun.add(state.job.number)
        self._families[state.job.number] = family
        state.outcome = Outcome.RUNNING
        self._observer.began(state)
        return family.next()


class Family:
    """A job with repeats, and these.

    The job itself comes last: it finds all repeats completed, and makes their consensus. In a
    search that prunes, the first repeat runs alone before the others, as it may be pruned. If the
    search decides that it wants no more repeats, the job ends with the means of those that are
    finished.

    Args:
        state: the state of the job.

    Attributes:
        seconds: how long its repeats took.
        is_over: whether a repeat has failed or no more are wanted, so that the job is not run.
    """

    def __init__(self, state: JobState) -> None:
        self.state, self.seconds, self.is_over = state, 0.0, False
        job, config = state.job, _config_of(state.job)
        self._repeats = repeats_of(config, job.folder)
        repeats = [one for one in self._repeats if one.finished is None]
        self._left = deque(repeats)
        first_is_left = bool(repeats) and repeats[0].seed == config.seed
        self._prunes = bool((job.hydra["sweeper"] or {}).get("prunes"))
        self._first_alone = self._prunes and first_is_left
        self._is_enough = False
        self._n_running = 0
        self._is_given = False
        self._record = RunRecord(job.folder, config.hash, config.seed)
        clear_earlier(job.folder)
        self._record.write()

    @property
    def job(self) -> Job:
        """The job."""
        return self.state.job

    @property
    def has_left(self) -> bool:
        """Whether some repeats have not been started."""
        return bool(self._left)

    @property
    def is_waiting(self) -> bool:
        """Whether the next repeat may turn out to be unnecessary once the present one has ended."""
        return self._prunes and self._n_running > 0

    @property
    def values(self) -> list[float]:
        """The objectives of its finished repeats, in the order of their seeds."""
        return finished_values(self._repeats)

    def next(self) -> JobState | None:
        """A repeat to start, or finally the job; None while others must end first."""
        if self._is_given or (self._n_running and (self._first_alone or not self._left)):
            return None
        if self._left:
            self._n_running += 1
            return JobState(_repeat_job(self.state.job, self._left.popleft(), self._first_alone))
        self._is_given = True
        return self.state

    def ended(self, repeat: JobState) -> None:
        """A repeat has ended: after a pruned one only the job is left; a failed one ends it."""
        self._n_running -= 1
        self._first_alone = False
        self.seconds += repeat.seconds
        if repeat.outcome != Outcome.COMPLETED:
            self._left.clear()
        if repeat.outcome not in (Outcome.COMPLETED, Outcome.PRUNED):
            self._fail(repeat)
        elif self._is_enough:
            self._end_early()

    def want_no_more(self) -> None:
        """Start no more repeats, and end the job when the running ones have ended."""
        self._left.clear()
        self._is_enough = True
        self._end_early()

    def _end_early(self) -> None:
        """The job ends as pruned, unless all of its repeats are finished anyway."""
        if self._n_running or all(one.finished is not None for one in self._repeats):
            return
        end_decided(self._record, self._repeats, _config_of(self.job).objective)
        self.state.outcome, self.state.metrics = Outcome.PRUNED, self._record.metrics
        self.is_over = True

    def _fail(self, repeat: JobState) -> None:
        """The job ends as its repeat did."""
        self.is_over = True
        self.state.outcome, self.state.device = repeat.outcome, repeat.device
        self.state.error = f"seed {repeat.job.repeat}: {repeat.error}"
        self._record.fail(repeat.outcome, self.state.error)


def n_trainings(jobs: Sequence[Job]) -> int:
    """How many trainings the jobs consist of."""
    return sum(1 if job.checked is None else job.checked.repeats for job in jobs)


def has_repeats(job: Job) -> bool:
    """Whether a job has repeats."""
    return job.checked is not None and job.checked.repeats > 1


def _config_of(job: Job) -> RunConfig:
    assert job.checked is not None, "jobs of other programs have no repeats"
    return job.checked


def _repeat_job(job: Job, repeat: Repeat, reports: bool) -> Job:
    """The job of one repeat, its config written where a worker reads it.

    Args:
        job: the job that it is a repeat of.
        repeat: the seed, folder and config.
        reports: whether a search may prune it.
    """
    own: dict[str, Any] = copy.deepcopy(dict(job.hydra))
    own["runtime"]["output_dir"] = str(repeat.folder)
    sweep_dir = Path(str(own["sweep"]["dir"])).absolute()
    own["sweep"]["subdir"] = str(repeat.folder.relative_to(sweep_dir))
    if "prunes" in own["sweeper"]:
        own["sweeper"]["prunes"] = reports
    overrides = short_numbers(str(own["job"]["override_dirname"]))
    name = _config_of(job).name or overrides or job.folder.name
    config = repeat.config.changed(name=f"{name} seed={repeat.seed}")
    # It may be lost in a crash of the machine: it is made anew from the job's config.
    typed = own["overrides"]["task"]
    RunFolder(repeat.folder).write_config(config.plain(), {"hydra": own}, typed, durable=False)
    return replace(job, folder=repeat.folder, checked=config, repeat=repeat.seed)

"""Asking Optuna for trials, and telling it what became of them."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState

from scyan_exp.errors import InputError
from scyan_exp.fleet.jobs import Job, Kept
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome
from scyan_exp.search.constraints import Constraint
from scyan_exp.search.deciding import REPEATS, is_decided
from scyan_exp.search.dimension import Dimension, Scalar
from scyan_exp.search.figures import attach_figures
from scyan_exp.search.optuna_internals import StoredTrial, new_trial, when_exhausted
from scyan_exp.search.space import Space
from scyan_exp.search.storage.database import is_database_error
from scyan_exp.search.storage.reasons import reason_of
from scyan_exp.search.trusting import VERDICT
from scyan_exp.terminal import short_numbers

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger(__name__)

#: User attributes of a trial: the sweep that runs it, its folder there, its other metrics, and
#: why it failed.
SWEEP, FOLDER, METRICS, ERROR = "sweep", "folder", "metrics", "error"
#: After so long, a running trial without an owner has lost its creator between two writes.
ORPHANED = timedelta(minutes=1)


class Trials:
    """The trials of a search as jobs, see :class:`~scyan_exp.fleet.source.JobSource`.

    A trial that has begun and was not told (its sweep was killed) is run again: with the same
    parameters, in the same folder, under the same number.

    Args:
        study: an Optuna study.
        space: what to search.
        compose: makes the job of a trial from its number and overrides.
        n_jobs: trials in all.
        max_failures: no more trials when so many in a row have failed; None for any number.
        sweep: identifies this sweep among those that share the storage.
        is_own: whether no other sweep uses the storage.
        constraints: what a trial must keep to be among the best.
        min_chance: see :func:`~scyan_exp.search.deciding.is_decided`.
        folder: the folder of the sweep, for the figures of the trials; None to leave them out.

    Attributes:
        refused: rows of trials whose values are wrong together.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        compose: Callable[[int, list[str]], Job],
        n_jobs: int,
        max_failures: int | None,
        sweep: str,
        is_own: bool,
        constraints: Sequence[Constraint] = (),
        min_chance: float = 0.0,
        folder: Path | None = None,
    ) -> None:
        self.study, self.n_jobs, self.n_failed_in_row = study, n_jobs, 0
        self._space, self._compose = space, compose
        self._max_failures, self._sweep, self._is_own = max_failures, sweep, is_own
        self._constraints, self._min_chance = constraints, min_chance
        self._folder = folder
        self.refused: list[JobState] = []
        self._is_exhausted = False
        when_exhausted(study, self._exhaust)
        self._unfinished = deque(one.number for one in self._trials() if self._is_left(one))

    @property
    def is_exhausted(self) -> bool:
        """Whether the sampler has nothing more to try, before all trials were made."""
        return self._is_exhausted and len(self._trials()) < self.n_jobs

    def failed(self) -> list[int]:
        """Numbers of the trials of this sweep that failed, now or earlier."""
        return [
            trial.number
            for trial in self._trials()
            if trial.state == TrialState.FAIL and self.is_ours(trial)
        ]

    def __str__(self) -> str:
        n_ended = sum(trial.state.is_finished() for trial in self._trials())
        return f"{self.n_jobs} trials" + (f" ({n_ended} of them have ended)" if n_ended else "")

    @property
    def gave_up(self) -> bool:
        """Whether too many trials failed."""
        return self._max_failures is not None and self.n_failed_in_row >= self._max_failures

    def next(self) -> Job | None:
        """The job of the next trial."""
        while not self.gave_up:
            trial = self._next_trial()
            if trial is None:
                return None
            params = {d.name: _suggested(trial, d) for d in self._space.dimensions}
            overrides = self._space.overrides(params)
            try:
                return self._begun(trial, self._compose(trial.number, overrides))
            except InputError as error:
                self._refuse(trial, overrides, error)
        return None

    def ended(self, row: JobState) -> None:
        """Tell the study what became of a trial.

        One that was interrupted or whose process was lost stays as it is, to be run again by a
        resume.
        """
        if row.outcome in (Outcome.INTERRUPTED, Outcome.NOT_RUN):
            return
        if row.outcome == Outcome.LOST:
            self.n_failed_in_row += 1
            return
        if row.outcome == Outcome.PRUNED:
            self._report_mean(row)
            self._tell(row.job.number, TrialState.PRUNED)
            return
        if row.outcome == Outcome.COMPLETED:
            values, error = _finite_values(row.value, len(self.study.directions))
            if error is None:
                self._set(row.job.number, METRICS, dict(row.metrics))
                if row.verdict:
                    self._set(row.job.number, VERDICT, row.verdict)
                self._constrain(row)
                if self._folder is not None:
                    attach_figures(self.study, row.job.number, row.job.folder, self._folder)
                self._tell(row.job.number, TrialState.COMPLETE, values)
                return
            row.outcome, row.error = Outcome.FAILED, error
        self._set(row.job.number, ERROR, row.error)
        self._tell(row.job.number, TrialState.FAIL)

    def is_decided(self, job: Job, values: Sequence[float]) -> bool:
        """Whether a trial needs no more repeats."""
        if len(self.study.directions) > 1 or job.checked is None:
            return False
        n_repeats = job.checked.repeats
        try:
            return is_decided(self.study, job.number, values, n_repeats, self._min_chance)
        except Exception as error:
            if not is_database_error(error):
                raise
            log.warning("a repeat is not reported to the search: %s", reason_of(error))
            return False

    def label(self, job: Job) -> str:
        """The parameters of a trial."""
        searched = [dimension.key for dimension in self._space.dimensions]
        of_trial = [one for one in job.overrides if one.partition("=")[0] in searched]
        return short_numbers(" ".join(of_trial))

    def _next_trial(self) -> Trial | None:
        trial = self._left_or_new()
        if trial is not None and self._is_too_many(trial):
            # Another sweep made one after we had counted. Ours waits for a search that wants more.
            StoredTrial(self.study, trial.number).put_back()
            return None
        return trial

    def _left_or_new(self) -> Trial | None:
        if self._unfinished:
            return StoredTrial(self.study, self._unfinished.popleft()).again()
        states = [trial.state for trial in self._trials()]
        n_waiting = states.count(TrialState.WAITING)
        if len(states) - n_waiting >= self.n_jobs or self._is_exhausted:
            return None
        if n_waiting:  # that somebody has enqueued
            return self.study.ask()
        return new_trial(self.study, {SWEEP: self._sweep})

    def _is_too_many(self, trial: Trial) -> bool:
        """Whether the trials with lower numbers are enough already."""
        if self._is_own:
            return False
        earlier = (one for one in self._trials() if one.number < trial.number)
        return sum(one.state != TrialState.WAITING for one in earlier) >= self.n_jobs

    def _begun(self, trial: Trial, job: Job) -> Job:
        """Write into the storage whose trial it is, and where."""
        if trial.user_attrs.get(SWEEP) != self._sweep:
            trial.set_user_attr(SWEEP, self._sweep)
        if FOLDER not in trial.user_attrs:
            trial.set_user_attr(FOLDER, str(job.config.hydra.sweep.subdir))
        return job

    def _refuse(self, trial: Trial, overrides: list[str], error: InputError) -> None:
        """Let a trial fail without a run: its values are wrong together."""
        job = Job(trial.number, Path(), overrides, Kept(OmegaConf.create()))
        state = JobState(job, Outcome.FAILED, error="; ".join(error.problems))
        state.label = self.label(job)
        self.refused.append(state)
        self.ended(state)

    def _exhaust(self) -> None:
        self._is_exhausted = True

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def is_ours(self, trial: FrozenTrial) -> bool:
        """Whether this sweep runs a trial, and no other that shares the storage."""
        return self._is_own or trial.user_attrs.get(SWEEP) == self._sweep

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether this sweep began a trial and never told Optuna how it ended."""
        if trial.state != TrialState.RUNNING:
            return False
        if self.is_ours(trial):
            return True
        began = trial.datetime_start or datetime.now()
        return SWEEP not in trial.user_attrs and datetime.now() - began > ORPHANED

    def _tell(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        self.n_failed_in_row = self.n_failed_in_row + 1 if state == TrialState.FAIL else 0
        self.study.tell(number, values, state=state, skip_if_finished=True)

    def _report_mean(self, row: JobState) -> None:
        """Of a trial that was decided after some repeats: their mean is its last report.

        Optuna makes it the value of the trial, and a sampler learns from it. Its step comes after
        those of the epochs.
        """
        config, trial = row.job.checked, StoredTrial(self.study, row.job.number)
        n_finished = len(trial.read().user_attrs.get(REPEATS, ()))
        if config is None or not n_finished or isinstance(config.objective, list):
            return
        mean = row.metrics.get(config.objective)
        if mean is not None and not trial.read().state.is_finished():
            trial.report(config.trainer.max_epochs + n_finished - 1, mean)

    def _constrain(self, row: JobState) -> None:
        """Write by how much a trial violates the constraints."""
        if self._constraints:
            violations = [one.violation(row.metrics) for one in self._constraints]
            StoredTrial(self.study, row.job.number).set_constraints(violations)

    def _set(self, number: int, name: str, value: Any) -> None:
        StoredTrial(self.study, number).set_attr(name, value)


def _suggested(trial: Trial, dimension: Dimension) -> Scalar:
    """The value of a parameter: what the trial has already, or a new one."""
    d = dimension
    if d.kind == "choice":
        return trial.suggest_categorical(d.name, d.choices)
    if d.kind == "int":
        low, high = int(d.low), int(d.high)
        return trial.suggest_int(d.name, low, high, step=int(d.step or 1), log=d.log)
    return trial.suggest_float(d.name, d.low, d.high, step=d.step, log=d.log)


def _finite_values(value: Any, n_objectives: int) -> tuple[list[float], str | None]:
    """The values of a trial, or what is wrong with them."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(one, (int, float)) for one in values):
        return [], f"expected a number as the objective, found {value!r}"
    if len(values) != n_objectives:
        return [], f"expected {n_objectives} objectives, found {len(values)}"
    if not all(math.isfinite(one) for one in values):
        return [], f"the objective is not finite ({value})"
    return [float(one) for one in values], None

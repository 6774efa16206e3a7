"""Trials that have ended, which the table of the sweep does not know.

A sweep tells the study first and its table then: killed in between, the table would show a trial as
running for ever.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from scyan_exp.errors import InputError
from scyan_exp.fleet.jobs import Job, Kept
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome
from scyan_exp.search.plan import SearchPlan
from scyan_exp.search.trials import ERROR, Trials

#: What the states of trials that have ended are among outcomes.
OUTCOMES = {
    TrialState.COMPLETE: Outcome.COMPLETED,
    TrialState.PRUNED: Outcome.PRUNED,
    TrialState.FAIL: Outcome.FAILED,
}


def untold(trials: Trials, plan: SearchPlan, known: Container[int]) -> list[JobState]:
    """How the trials of a sweep have ended that are not known to have.

    Args:
        trials: the trials.
        plan: makes their jobs.
        known: numbers of trials that the table shows as ended.
    """
    searched = {dimension.name for dimension in plan.space.dimensions}
    ended = trials.study.get_trials(deepcopy=False, states=tuple(OUTCOMES))
    return [
        _state_of(trial, trials, plan)
        for trial in ended
        if trial.number not in known and trials.is_ours(trial) and searched <= trial.params.keys()
    ]


def _state_of(trial: FrozenTrial, trials: Trials, plan: SearchPlan) -> JobState:
    """By its run folder, or else by the study."""
    overrides = plan.space.overrides(trial.params)
    try:
        job = plan.compose(trial.number, overrides)
    except InputError:  # it was refused without a run
        job = Job(trial.number, Path(), overrides, Kept(OmegaConf.create()))
    state = JobState(job, label=trials.label(job))
    if not state.take_earlier_result():
        state.outcome, state.error = OUTCOMES[trial.state], trial.user_attrs.get(ERROR)
    return state

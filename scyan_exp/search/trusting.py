"""Whether the best trial can be trusted: its objective may be the best, and its annotation not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.run.record import DO_NOT_USE, RunRecord
from scyan_exp.search.experiment_file import folder_of
from scyan_exp.search.optuna_internals import violates

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: User attribute of a trial: the verdict on its annotation.
VERDICT = "verdict"
#: Reasons of a verdict that are shown.
MOST_REASONS = 3


def verdict_of(trial: FrozenTrial) -> str:
    """The verdict on the annotation of a trial; "" where none was made."""
    return str(trial.user_attrs.get(VERDICT, ""))


def in_words(trial: FrozenTrial, sweep_dir: Path) -> str | None:
    """The verdict with its reasons; None for a good one, and where there is none."""
    verdict = verdict_of(trial)
    if verdict in ("", "good"):
        return None
    record = RunRecord.read(folder_of(trial, sweep_dir))
    reasons = [] if record is None else record.reasons
    more = [f"and {len(reasons) - MOST_REASONS} more in result.json"]
    shown = [*reasons[:MOST_REASONS], *(more if len(reasons) > MOST_REASONS else [])]
    return f"{verdict}: {'; '.join(shown)}" if shown else verdict


def advice(study: Study, trial: FrozenTrial) -> str | None:
    """What to take instead of the best trial, if its annotation should not be used."""
    if verdict_of(trial) != DO_NOT_USE:
        return None
    if len(study.directions) > 1:
        return "its objectives say nothing against it: look at the verdicts in the table"
    usable = best_usable(study)
    if usable is None:
        return "no trial has an annotation that can be used: look at the table and the transform"
    return (
        f"its objective is the best, and its annotation is not to be trusted. The best trial that "
        f"can be used is {usable.number}, with {usable.value:.4g}"
    )


def best_usable(study: Study) -> FrozenTrial | None:
    """The trial with the best objective of those whose annotation can be used."""
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    usable = [one for one in ended if verdict_of(one) != DO_NOT_USE and not violates(one)]
    sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0
    return min(usable, key=lambda one: sign * float(one.value or 0.0), default=None)

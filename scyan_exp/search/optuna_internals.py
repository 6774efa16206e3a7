"""Everything private of Optuna that a search uses, in this one file.

Optuna expects the process that asks for a trial to run it and to tell its value. Here other
processes run the trials, a trial that was cut off runs again under its number, and every trial
belongs to one of the sweeps that share a storage, and constraints are known only afterwards.
Optuna has no public way to do these five things, so they use the storage directly. When Optuna
changes, this is the file to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial


class StoredTrial:
    """A trial that any process may read and write, found by its number.

    Args:
        study: its study.
        number: its number there.
    """

    def __init__(self, study: Study, number: int) -> None:
        self._study = study
        # Not the storage the study was made with: Optuna wraps a database in a cache.
        self._storage = study._storage
        self._id = self._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)

    @property
    def storage(self) -> BaseStorage:
        """Where it is kept."""
        return self._storage

    def read(self) -> FrozenTrial:
        """The trial as it stands in the storage now."""
        return self._storage.get_trial(self._id)

    def report(self, step: int, value: float) -> None:
        """Write the value of a step."""
        self._storage.set_trial_intermediate_value(self._id, step, value)

    def set_attr(self, name: str, value: Any) -> None:
        """Write a user attribute. A trial that has ended stays as it is."""
        if not self.read().state.is_finished():
            self._storage.set_trial_user_attr(self._id, name, value)

    def set_constraints(self, violations: Sequence[float]) -> None:
        """Write by how much it violates each constraint; Optuna 4 and 5 read this form."""
        if not self.read().state.is_finished():
            self._storage.set_trial_system_attr(self._id, "constraints", list(violations))

    def again(self) -> Trial:
        """The same trial to run once more; parameters that it has stay."""
        from optuna.trial import Trial

        return Trial(self._study, self._id)

    def put_back(self) -> None:
        """Let it wait for whoever asks for a trial next."""
        from optuna.trial import TrialState

        self._storage.set_trial_state_values(self._id, TrialState.WAITING)


def new_trial(study: Study, user_attrs: Mapping[str, Any]) -> Trial:
    """A new trial that runs, as ``Study.ask`` makes one, with attributes from the first moment.

    ``ask`` would write them in a second step: a process killed in between leaves a trial that
    belongs to nobody.
    """
    from optuna.trial import Trial, TrialState, create_trial

    template = create_trial(state=TrialState.RUNNING, user_attrs=dict(user_attrs))
    return Trial(study, study._storage.create_new_trial(study._study_id, template))


def when_exhausted(study: Study, call: Callable[[], None]) -> None:
    """Call a function when the sampler has tried everything, as those of finite spaces do.

    They call ``Study.stop``, which raises an error outside of ``Study.optimize``.
    """
    study.stop = call  # type: ignore[method-assign]


def violates(trial: FrozenTrial) -> bool:
    """Whether a trial violates a constraint."""
    return any(one > 0 for one in trial.system_attrs.get("constraints") or ())

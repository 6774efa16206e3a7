"""What a running job knows of its trial: it reports epochs, and learns whether to stop."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.search.deciding import is_decided
from scyan_exp.search.makers import make_pruner
from scyan_exp.search.optuna_internals import StoredTrial
from scyan_exp.search.settings import StudySettings, check_study
from scyan_exp.search.storage.database import is_database_error
from scyan_exp.search.storage.opening import open_storage
from scyan_exp.search.storage.reasons import reason_of
from scyan_exp.search.storage.urls import storage_url

log = logging.getLogger(__name__)


class RunningTrial:
    """A trial in the storage of its search, seen from the job that runs it.

    Args:
        settings: of the search.
        url: its storage.
        study_name: the name of the search there.
        number: of the trial.
    """

    def __init__(self, settings: StudySettings, url: str, study_name: str, number: int) -> None:
        import optuna

        self.monitor, self.number = settings.monitor, number
        self._min_chance = settings.min_chance
        self._study = optuna.load_study(
            study_name=study_name, storage=open_storage(url), pruner=make_pruner(settings.pruner)
        )
        self._trial = StoredTrial(self._study, number)

    def report(self, epoch: int, value: float) -> bool:
        """Write the value of an epoch; return whether to stop, as the pruner says.

        A database that does not answer costs the report, not the training.
        """
        try:
            return self._report(epoch, value)
        except Exception as error:
            if not is_database_error(error):
                raise
            log.warning("epoch %d is not reported to the search: %s", epoch, reason_of(error))
            return False

    def is_decided(self, values: Sequence[float], n_repeats: int) -> bool:
        """Write the objectives of the finished repeats; return whether no more are wanted.

        With a database that does not answer, all are.
        """
        try:
            return is_decided(self._study, self.number, values, n_repeats, self._min_chance)
        except Exception as error:
            if not is_database_error(error):
                raise
            log.warning("a repeat is not reported to the search: %s", reason_of(error))
            return False

    def _report(self, epoch: int, value: float) -> bool:
        if self._trial.read().state.is_finished():
            return False  # told while this job was taken for lost
        self._trial.report(epoch, value)
        return self._study.pruner.prune(self._study, self._trial.read())


def reporter_of_job(
    sweeper: Mapping[str, Any], sweep_dir: Path, start: Path
) -> RunningTrial | None:
    """The trial of a job whose search prunes.

    Args:
        sweeper: ``hydra.sweeper`` of the job.
        sweep_dir: the folder of the sweep.
        start: where the search was started.
    """
    if sweeper.get("trial") is None or not sweeper.get("prunes"):
        return None
    settings = check_study({k: v for k, v in sweeper.items() if not k.startswith("_")})
    assert settings.trial is not None
    assert settings.study_name is not None
    url = storage_url(settings.storage, sweep_dir, start)
    return RunningTrial(settings, url, settings.study_name, settings.trial)

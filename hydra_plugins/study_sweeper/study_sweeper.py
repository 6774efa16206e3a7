"""Hydra's sweeper ``study``: a hyperparameter search with Optuna (``hydra/sweeper=study``).

Hydra imports this file at every start, so the work stands in ``scyan_exp.search``.
"""

from typing import Any

from hydra.core.config_store import ConfigStore

from scyan_exp.config.plugins import LaunchingSweeper
from scyan_exp.config.structured import hydra_dataclass
from scyan_exp.search.settings import StudySettings

# A Hydra config of the settings, under the name that pickled configs look for.
StudySweeperConf = hydra_dataclass(
    StudySettings,
    "hydra_plugins.study_sweeper.study_sweeper.StudySweeper",
    "StudySweeperConf",
    recursive=False,
)
ConfigStore.instance().store(
    group="hydra/sweeper", name="study", node=StudySweeperConf, provider="scyan_exp"
)


class StudySweeper(LaunchingSweeper):
    """Asks Optuna for trials, and tells it what became of them."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the search; returns the number and the values of the best trial."""
        from scyan_exp.search.search import run_search

        return run_search(
            self._config, self._context, self._task, self._settings, arguments, self._launcher
        )

"""Hydra's sweeper ``table_entries``: a job an entry of the knowledge table.

Hydra imports this file at every start, so the work stands in ``scyan_exp.entries``.
"""

from typing import Any

from hydra.core.config_store import ConfigStore

from scyan_exp.config.plugins import LaunchingSweeper
from scyan_exp.config.structured import hydra_dataclass
from scyan_exp.entries.settings import EntriesSettings

# A Hydra config of the settings, under the name that pickled configs look for.
EntriesSweeperConf = hydra_dataclass(
    EntriesSettings,
    "hydra_plugins.table_entries.table_entries.EntriesSweeper",
    "EntriesSweeperConf",
)
ConfigStore.instance().store(
    group="hydra/sweeper", name="table_entries", node=EntriesSweeperConf, provider="scyan_exp"
)


class EntriesSweeper(LaunchingSweeper):
    """Changes the entries of the table one at a time, and says what each change did."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs."""
        from scyan_exp.entries.sweep import run_entries

        return run_entries(self._config, self._context, self._settings, arguments, self._launcher)

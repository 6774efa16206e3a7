"""Hydra's sweeper ``table_entries``: a job an entry of the knowledge table.

Hydra imports this file at every start, so the work stands in ``scyan_exp.entries``.
"""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

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


class EntriesSweeper(Sweeper):
    """Changes the entries of the table one at a time, and says what each change did."""

    def __init__(self, **settings: Any) -> None:
        self._settings: dict[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over."""
        self._context, self._config = hydra_context, config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs."""
        from scyan_exp.entries.sweep import run_entries

        return run_entries(self._config, self._context, self._settings, arguments, self._launcher)

"""What our plugins for Hydra have in common.

Hydra imports plugins at every start, so nothing heavy is imported here.
"""

from collections.abc import Mapping
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as Hydra hands them over, in plain containers."""
    return {
        name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for name, value in settings.items()
    }


class LaunchingSweeper(Sweeper):
    """Base of sweepers that have settings and hand their jobs to the launcher.

    A subclass gives ``sweep(arguments)``.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = plain_settings(settings)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over, and make the launcher."""
        self._context, self._task, self._config = hydra_context, task_function, config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

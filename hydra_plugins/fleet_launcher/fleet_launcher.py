"""Hydra's launcher ``fleet``: the jobs of a sweep on all devices (``hydra/launcher=fleet``).

Hydra imports this file at every start, so the work stands in ``scyan_exp.fleet``.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from scyan_exp.config.plugins import plain_settings
from scyan_exp.config.structured import hydra_dataclass
from scyan_exp.fleet.settings import FleetSettings

# A Hydra config of the settings, under the name that pickled configs look for.
FleetLauncherConf = hydra_dataclass(
    FleetSettings,
    "hydra_plugins.fleet_launcher.fleet_launcher.FleetLauncher",
    "FleetLauncherConf",
)
ConfigStore.instance().store(
    group="hydra/launcher", name="fleet", node=FleetLauncherConf, provider="scyan_exp"
)


class FleetLauncher(Launcher):
    """Runs the jobs of a sweep in worker processes.

    Attributes:
        composes_first: it composes and checks all jobs before it starts the first one.
    """

    composes_first = True

    def __init__(self, **settings: Any) -> None:
        self.settings = plain_settings(settings)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; one result each, in order."""
        from scyan_exp.fleet.launch import launch

        return launch(
            self._config,
            self._context,
            self._task,
            self.settings,
            job_overrides,
            initial_job_idx,
        )

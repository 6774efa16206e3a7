"""Hydra's sweeper ``study``: a hyperparameter search with Optuna (``hydra/sweeper=study``).

Hydra imports this file at every start, so the work stands in ``scyan_exp.fleet``.
"""

from dataclasses import dataclass, field
from typing import Any, Optional

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


# Hydra loads plugins in a way that annotations must be no strings.
@dataclass
class StudySweeperConf:
    """Settings; ``scyan_exp.search.settings`` says what they mean."""

    _target_: str = "hydra_plugins.study_sweeper.study_sweeper.StudySweeper"
    _recursive_: bool = False
    params: Any = field(default_factory=dict)
    n_trials: int = 20
    n_parallel: Optional[int] = None
    direction: Optional[str] = None
    directions: Any = None
    sampler: Any = "tpe"
    seed: Optional[int] = 0
    pruner: Any = "auto"
    monitor: str = "objective"
    storage: Optional[str] = None
    study_name: Optional[str] = None
    max_failures: Optional[int] = 5
    trial: Optional[int] = None
    prunes: bool = False


ConfigStore.instance().store(
    group="hydra/sweeper", name="study", node=StudySweeperConf, provider="scyan_exp"
)


class StudySweeper(Sweeper):
    """Asks Optuna for trials, and tells it what became of them."""

    def __init__(self, **settings: Any) -> None:
        self._settings: dict[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over."""
        self._context, self._task, self._config = hydra_context, task_function, config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the search; returns the number and the values of the best trial."""
        from scyan_exp.search.study import run_study

        return run_study(
            self._config, self._context, self._task, self._settings, arguments, self._launcher
        )

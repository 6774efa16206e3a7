"""Hydra's sweeper ``grid``: all combinations of values, as its own sweeper ``basic`` makes them.

That one composes each job once to see whether it can be composed, in a tenth of a second, and then
hands the jobs to the launcher. The fleet composes and checks all of them before it starts the first
one, so that a sweep of thousands need not wait for the same twice.

Hydra imports this file at every start. Its own sweeper stands among its insides, and has no other
name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore


@dataclass
class GridSweeperConf(BasicSweeperConf):
    """The settings of the sweeper ``basic``."""

    _target_: str = "hydra_plugins.grid_sweeper.grid_sweeper.GridSweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="scyan_exp"
)


class GridSweeper(BasicSweeper):
    """Makes the jobs of a grid, and leaves their check to launchers that check them."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose each job, unless the launcher does it before it starts any."""
        if not getattr(self.launcher, "composes_first", False):
            super().validate_batch_is_legal(batch)

"""Lightning's logger for a W&B run that starts while the first epochs are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

#: What Lightning's own logger calls the number of the step on W&B.
STEP = "trainer/global_step"


class TrackerLogger(Logger):
    """Hands over the rows of the training at once, and never waits.

    It has no ``experiment``: Lightning would ask for it, and so wait, before the first epoch.

    Args:
        run_id: id of the W&B run.
        log_row: takes a row, and does not wait.
    """

    def __init__(self, run_id: str, log_row: Callable[[Mapping[str, float]], None]) -> None:
        super().__init__()
        self._run_id, self._log_row = run_id, log_row

    @property
    def name(self) -> str:
        """What it logs to."""
        return "wandb"

    @property
    def version(self) -> str:
        """Id of the W&B run."""
        return self._run_id

    @rank_zero_only
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Nothing: the run has the whole config."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Hand over a row."""
        self._log_row(metrics if step is None else {**metrics, STEP: step})

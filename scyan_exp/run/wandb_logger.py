"""Lightning's logger for a W&B run that starts while the first epochs are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

#: The name of the step's number on W&B, as with Lightning's own logger.
STEP = "trainer/global_step"


class TrackerLogger(Logger):
    """Hands over the rows of a training at once, and never waits.

    It has no ``experiment``, for which Lightning would wait before the first epoch.

    Args:
        run_id: id of the W&B run.
        log_row: takes a row without waiting.
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
        """Log nothing: the W&B run has the whole config."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Hand over a row."""
        self._log_row(metrics if step is None else {**metrics, STEP: step})

"""Lightning's logger for a W&B run that starts while the first epochs are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import WandbLogger

#: What Lightning calls the number of the step on W&B.
STEP = "trainer/global_step"


class TrackerLogger(WandbLogger):
    """Hands over the rows of the training at once; only who asks for ``experiment`` waits.

    Args:
        run_id: id of the W&B run.
        log_row: takes a row, and does not wait.
        run: gives the W&B run, when it has started.
    """

    def __init__(
        self,
        run_id: str,
        log_row: Callable[[Mapping[str, float]], None],
        run: Callable[[], Any],
    ) -> None:
        super().__init__(id=run_id)
        self._log_row, self._run = log_row, run

    @property
    def experiment(self) -> Any:
        """The W&B run."""
        return self._run()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Hand over a row."""
        self._log_row(metrics if step is None else {**metrics, STEP: step})

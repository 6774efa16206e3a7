"""What the product does not do, for comparison with what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning import Callback

from scyan_exp.run import fitting


class Schedule(Callback):
    """Averaged weights, and a learning rate that falls."""

    def __init__(self, average: int, decay: float) -> None:
        self.average, self.decay = average, decay
        self._weights: list[dict[str, Any]] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Set the learning rate of the epoch."""
        n_epochs = max(0, trainer.current_epoch - pl_module.warm_up_epochs)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = pl_module.hparams["lr"] * self.decay**n_epochs

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the weights of the epoch."""
        if self.average > 1:
            self._weights.append({k: v.clone() for k, v in pl_module.state_dict().items()})

    def averaged(self, epoch: int) -> dict[str, Any]:
        """The mean weights of the epochs that end with this one; other values as they are in it."""
        some = self._weights[max(0, epoch + 1 - self.average) : epoch + 1]
        return {
            name: sum(one[name] for one in some) / len(some) if value.is_floating_point() else value
            for name, value in some[-1].items()
        }


@contextmanager
def added(callback: Callback) -> Iterator[None]:
    """Trainers have this callback too, within the block."""
    make_trainer = fitting.make_trainer
    fitting.make_trainer = lambda config, own, *rest: make_trainer(config, [callback, *own], *rest)
    try:
        yield
    finally:
        fitting.make_trainer = make_trainer

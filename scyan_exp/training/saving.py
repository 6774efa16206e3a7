"""What a run saves after each epoch: checkpoints and population weights."""

from __future__ import annotations

import csv
import io
import math
import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import CSVLogger

from scyan_exp.files import atomic_path, write_text
from scyan_exp.training.scyan import Scyan


class AfterEpoch(Checkpoint):
    """Base of callbacks that need what the module measured in the epoch.

    Lightning calls callbacks of type ``Checkpoint`` after the module's own end of the epoch,
    and all others before it.
    """


class SaveRun(AfterEpoch):
    """Writes ``checkpoints/last.ckpt``, ``checkpoints/best.ckpt`` and ``population_weights.csv``.

    The best epoch has the lowest loss; epochs of the warm-up, whose prior is another, count
    only while there is no later one. The history of all epochs travels in the checkpoints, so a
    resumed run writes the same files as one that was never cut off, in whatever folder.

    Args:
        folder: the run folder.
        wandb_run_id: id of the W&B run, kept so that a resumed run continues it.
    """

    def __init__(self, folder: Path, wandb_run_id: str | None = None) -> None:
        self.folder, self.wandb_run_id = folder, wandb_run_id
        self.last, self.best = (folder / "checkpoints" / f"{n}.ckpt" for n in ("last", "best"))
        self.history: list[dict[str, float]] = []
        self.best_rank: tuple[bool, float] = (True, math.inf)

    def state_dict(self) -> dict[str, Any]:
        """History and best epoch, as plain values."""
        return {
            "history": self.history,
            "best_rank": list(self.best_rank),
            "wandb_run_id": self.wandb_run_id,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a run that was cut off."""
        self.history = list(state_dict["history"])
        in_warm_up, loss = state_dict["best_rank"]
        self.best_rank = (in_warm_up, loss)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """When resuming, bring along what the earlier part of the run had written."""
        if not self.history or not trainer.is_global_zero:
            return
        earlier_best = Path(str(trainer.ckpt_path)).with_name(self.best.name)
        if earlier_best.is_file():
            if not self.best.exists():
                _copy(earlier_best, self.best)
        else:
            self.best_rank = (True, math.inf)
        for logger in trainer.loggers:
            if isinstance(logger, CSVLogger):
                for row in self.history:
                    logger.log_metrics(dict(row), step=int(row["step"]))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the epoch that has just ended."""
        assert isinstance(pl_module, Scyan)
        epoch, metrics = trainer.current_epoch, pl_module.epoch_metrics
        self.history.append({"epoch": epoch, "step": trainer.global_step, **metrics})
        rank = (epoch < pl_module.warm_up_epochs, metrics["loss"])
        is_best = rank < self.best_rank
        self.best_rank = min(rank, self.best_rank)

        temporary = self.last.with_suffix(".tmp")
        trainer.save_checkpoint(temporary)  # every process takes part, the first one writes
        if trainer.is_global_zero:
            temporary.replace(self.last)
            if is_best:
                _copy(self.last, self.best)
            self._write_population_weights(pl_module.table.populations)

    def _write_population_weights(self, populations: list[str]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *populations])
        for row in self.history:
            writer.writerow([row["epoch"], *(row[f"pi/{name}"] for name in populations)])
        write_text(self.folder / "population_weights.csv", text.getvalue())


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)

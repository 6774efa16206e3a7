"""What a run saves after each epoch: checkpoints and population weights."""

from __future__ import annotations

import csv
import io
import math
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import CSVLogger

from scyan_exp.files import atomic_path, write_text
from scyan_exp.training.scyan import Scyan


class AfterEpoch(Checkpoint):
    """Base of callbacks that need what the module measured in the epoch.

    Lightning calls callbacks of type ``Checkpoint`` after the module's own end of the epoch,
    and all others before it.
    """


#: Seconds between two writes: what a killed run has to train again. A checkpoint takes several
#: milliseconds, as much as a twentieth of a short epoch.
SECONDS_BETWEEN_WRITES = 1.0


class SavedFiles(Protocol):
    """Where they are written; :class:`scyan_exp.run.folder.RunFolder` is one."""

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch."""

    @property
    def population_weights(self) -> Path:
        """The weights of the populations, a row an epoch."""


class SaveRun(AfterEpoch):
    """Writes the checkpoints of the last and the best epoch, and the population weights.

    The best epoch has the lowest loss; epochs of the warm-up, whose prior is another, count
    only while there is no later one. The history of all epochs travels in the checkpoints, so a
    resumed run goes on as one that was never cut off, in whatever folder.

    Every epoch is kept in memory; files are written once a second, and when the training ends,
    by an error too.

    Args:
        files: where to.
        wandb_run_id: id of the W&B run, kept so that a resumed run continues it.
        cells: what identifies the cells, kept so that a run is not resumed on others.
    """

    def __init__(self, files: SavedFiles, wandb_run_id: str | None = None, cells: str = "") -> None:
        self.wandb_run_id, self.cells = wandb_run_id, cells
        self.last, self.best = files.last, files.best
        self.population_weights = files.population_weights
        self.history: list[dict[str, float]] = []
        self.best_rank: tuple[bool, float] = (True, math.inf)
        self._unsaved_last: dict[str, Any] | None = None
        self._unsaved_best: dict[str, Any] | None = None
        self._written_at = -math.inf

    def state_dict(self) -> dict[str, Any]:
        """History and best epoch, as plain values."""
        return {
            "history": list(self.history),
            "best_rank": list(self.best_rank),
            "wandb_run_id": self.wandb_run_id,
            "cells": self.cells,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a run that was cut off."""
        self.history = list(state_dict["history"])
        in_warm_up, loss = state_dict["best_rank"]
        self.best_rank = (in_warm_up, loss)
        self.wandb_run_id = self.wandb_run_id or state_dict["wandb_run_id"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """When resuming, bring along what the earlier part of the run had written."""
        if not self.history or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Scyan)
        resumed = Path(str(trainer.ckpt_path))
        self._bring_best(resumed.with_name(self.best.name))
        if resumed.resolve() != self.last.resolve():
            _copy(resumed, self.last)
        self._write_population_weights(pl_module.table.populations)
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

        # What `trainer.save_checkpoint` would write; Lightning has no public name for it.
        state = _frozen(trainer._checkpoint_connector.dump_checkpoint(weights_only=False))
        self._unsaved_last = state
        if is_best:
            self._unsaved_best = state
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._write(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the last epoch."""
        self._write(trainer, pl_module)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write the last epoch that ended well."""
        self._write(trainer, pl_module)

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        last, best = self._unsaved_last, self._unsaved_best
        self._unsaved_last = self._unsaved_best = None
        if last is None or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Scyan)
        self.last.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.last.with_suffix(".tmp")
        _save(last, temporary)
        # The best one first: killed in between, the resumed run repeats some epochs.
        if best is last:
            _link(temporary, self.best)
        elif best is not None:
            with atomic_path(self.best, durable=False) as path:
                _save(best, path)
        temporary.replace(self.last)
        self._write_population_weights(pl_module.table.populations)
        self._written_at = time.monotonic()

    def _bring_best(self, earlier: Path) -> None:
        """Take over the best checkpoint of this very history; forget it if there is none."""
        if earlier.is_file() and self._is_our_best(earlier):
            if earlier.resolve() != self.best.resolve():
                _copy(earlier, self.best)
        else:
            self.best.unlink(missing_ok=True)
            self.best_rank = (True, math.inf)

    def _is_our_best(self, path: Path) -> bool:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = state["callbacks"].get(type(self).__qualname__, {})
        history = saved.get("history", [])
        return history == self.history[: len(history)] and saved.get("best_rank") == list(
            self.best_rank
        )

    def _write_population_weights(self, populations: list[str]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *populations])
        for row in self.history:
            writer.writerow([row["epoch"], *(row[f"pi/{name}"] for name in populations)])
        write_text(self.population_weights, text.getvalue(), durable=False)


def _save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; an error of the disk is an OSError, which torch's own is not."""
    content = io.BytesIO()
    torch.save(state, content)
    path.write_bytes(content.getbuffer())


def _frozen(state: Any) -> Any:
    """A copy whose tensors do not change when the training goes on."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return type(state)((key, _frozen(value)) for key, value in state.items())
    if isinstance(state, list):
        return [_frozen(value) for value in state]
    return state


def _link(source: Path, target: Path) -> None:
    """Make ``target`` another name of a file that nobody will write to again."""
    temporary = target.with_suffix(".link")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
    except OSError:  # a file system without hard links
        _copy(source, target)
    else:
        temporary.replace(target)


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)

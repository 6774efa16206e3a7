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

from scyan_exp.files import atomic_path, sync, write_text
from scyan_exp.training.choosing import EpochRow, contenders
from scyan_exp.training.scyan import Scyan


class AfterEpoch(Checkpoint):
    """Base of callbacks that need what the module measured in the epoch.

    Lightning calls callbacks of type ``Checkpoint`` after the module has ended its epoch, and all
    others before that.
    """


#: The key in ``last.ckpt`` of the states of epochs that may still become the best.
CONTENDERS = "contenders"
#: Seconds between two writes: so much has to be trained again after a kill. A checkpoint takes
#: several milliseconds, as much as a twentieth of a short epoch.
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
        """The weights of the populations, a row per epoch."""


class SaveRun(AfterEpoch):
    """Writes the checkpoints of the last and the best epoch, and the population weights.

    The best epoch is the one that :func:`~scyan_exp.training.choosing.contenders` names. Both
    checkpoints hold the history of all epochs, and ``last.ckpt`` also the states of the epochs that
    may still become the best. So a resumed run, in any folder, goes on as if it had never been cut
    off.

    Every epoch is kept in memory. Files are written once a second, and when the training ends, even
    by an error.

    Args:
        files: where to write.
        wandb_run_id: id of the W&B run, kept so that a resumed run continues it.
        cells: what identifies the cells, kept so that a run is not resumed on other cells.
    """

    def __init__(self, files: SavedFiles, wandb_run_id: str | None = None, cells: str = "") -> None:
        self.wandb_run_id, self.cells = wandb_run_id, cells
        self.last, self.best = files.last, files.best
        self.population_weights = files.population_weights
        self.history: list[dict[str, float]] = []
        self._states: dict[float, dict[str, Any]] = {}
        self._unsaved_last: dict[str, Any] | None = None
        self._written_best: int | None = None
        self._written_at = -math.inf
        self._choice: tuple[int, float | None] = (0, None)

    @property
    def best_row(self) -> EpochRow:
        """What was measured in the best epoch so far."""
        return self._contenders()[0]

    def state_dict(self) -> dict[str, Any]:
        """The history, as plain values."""
        return {
            "history": list(self.history),
            "wandb_run_id": self.wandb_run_id,
            "cells": self.cells,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a run that was cut off."""
        self.history = list(state_dict["history"])
        self.wandb_run_id = self.wandb_run_id or state_dict["wandb_run_id"]

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the states of the epochs that may become the best, including this one."""
        own = {key: value for key, value in checkpoint.items() if key != CONTENDERS}
        states = [*checkpoint.get(CONTENDERS, []), _frozen(own)]
        self._states = {state["epoch"]: state for state in states}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Choose epochs in the way that the model asks for."""
        assert isinstance(pl_module, Scyan)
        self._choice = (pl_module.warm_up_epochs, pl_module.hparams["agreement_tolerance"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """When resuming, bring along what the earlier part of the run had written."""
        if not self.history or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Scyan)
        resumed = Path(str(trainer.ckpt_path))
        self._consider(*self._beside(resumed))
        self._write_best()
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
        metrics = pl_module.epoch_metrics
        self.history.append(
            {"epoch": trainer.current_epoch, "step": trainer.global_step, **metrics}
        )
        # What `trainer.save_checkpoint` would write; Lightning has no public name for it.
        state = _frozen(trainer._checkpoint_connector.dump_checkpoint(weights_only=False))
        self._unsaved_last = state
        self._consider(state)
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._write(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the last epoch, so that the whole course is on the disk."""
        self._write(trainer, pl_module)
        if trainer.is_global_zero and self.population_weights.is_file():
            sync(self.population_weights)
            sync(self.last.parent)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write the last epoch that ended well."""
        self._write(trainer, pl_module)

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        last, self._unsaved_last = self._unsaved_last, None
        if last is None or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Scyan)
        others = [state for state in self._states.values() if state is not last]
        with atomic_path(self.last, durable=False) as temporary:
            _save({**last, CONTENDERS: others} if others else last, temporary)
            # The best one first: killed in between, the resumed run repeats some epochs.
            self._write_best(last, temporary)
        self._write_population_weights(pl_module.table.populations)
        self._written_at = time.monotonic()

    def _write_best(self, last: dict[str, Any] | None = None, written: Path | None = None) -> None:
        """Write the best epoch, if that is needed; if it is the last one, link its file."""
        best = int(self.best_row["epoch"])
        if best == self._written_best:
            return
        if written is not None and self._states[best] is last:
            _link(written, self.best)
        else:
            with atomic_path(self.best, durable=False) as path:
                _save(self._states[best], path)
        self._written_best = best

    def _consider(self, *states: dict[str, Any]) -> None:
        """Keep the states of epochs that are or may become the best."""
        self._states.update({state["epoch"]: state for state in states})
        self._states = {row["epoch"]: self._states[row["epoch"]] for row in self._contenders()}

    def _contenders(self) -> list[EpochRow]:
        """The contenders among the epochs whose states are known; the others are out, or lost."""
        rows = [row for row in self.history if row["epoch"] in self._states]
        return contenders(rows, *self._choice)

    def _beside(self, resumed: Path) -> list[dict[str, Any]]:
        """The best epoch of an earlier version's run, whose ``last.ckpt`` holds no other epoch."""
        path = resumed.with_name(self.best.name)
        if not path.is_file():
            return []
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        saved = state["callbacks"].get(type(self).__qualname__, {})
        history = saved.get("history", [])
        is_ours = len(history) > 0 and history == self.history[: len(history)]
        return [{k: v for k, v in state.items() if k != CONTENDERS}] if is_ours else []

    def _write_population_weights(self, populations: list[str]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *populations])
        for row in self.history:
            writer.writerow([row["epoch"], *(row[f"pi/{name}"] for name in populations)])
        write_text(self.population_weights, text.getvalue(), durable=False)


def _save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, which reaches the disk before it gets its name.

    Errors of the disk become an OSError, which torch's own errors are not.
    """
    content = io.BytesIO()
    torch.save(state, content)
    path.write_bytes(content.getbuffer())
    sync(path)


def _frozen(state: Any) -> Any:
    """A copy with tensors that do not change when the training goes on."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return type(state)((key, _frozen(value)) for key, value in state.items())
    if isinstance(state, list):
        return [_frozen(value) for value in state]
    return state


def _link(source: Path, target: Path) -> None:
    """Make ``target`` another name of a file that will not be written to again."""
    try:
        with atomic_path(target, durable=False) as temporary:
            temporary.unlink()
            temporary.hardlink_to(source)
    except OSError:  # a file system without hard links
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)

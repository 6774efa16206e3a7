"""Training the model of a run."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from scyan_exp.config.objectives import METRICS
from scyan_exp.config.schema import RunConfig
from scyan_exp.data.cells import Cells
from scyan_exp.results.measuring import EpochMetric
from scyan_exp.run.build import Experiment, build, make_trainer
from scyan_exp.run.cells import KeptCells
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.tracking import Tracker
from scyan_exp.training.checkpoint import load_weights
from scyan_exp.training.ddp import end_with_parent, leave_group, peer_processes, say_ready
from scyan_exp.training.ending import why_ended
from scyan_exp.training.interrupt import Interrupt, stopped_as_asked
from scyan_exp.training.progress import ShowProgress
from scyan_exp.training.reporting import ReportEpochs, Reporter
from scyan_exp.training.saving import SaveRun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The result of a training, besides the best weights, which are in the model.

    Attributes:
        history: metrics of each epoch.
        best_epoch: index of the best epoch, whose weights are in the model.
        best_loss: its loss.
        seconds: time spent in training.
        outcome: ``completed``, ``interrupted`` by a signal, or ``pruned`` by a search.
        because: why it ended, as the end of a sentence.
    """

    history: list[dict[str, float]]
    best_epoch: int
    best_loss: float
    seconds: float
    outcome: Outcome
    because: str

    @property
    def is_finished(self) -> bool:
        """Whether there was an epoch after the best one, so that more would hardly have helped."""
        return self.best_epoch < len(self.history) - 1


def fit(
    config: RunConfig,
    experiment: Experiment,
    folder: Path,
    tracker: Tracker,
    reporter: Reporter | None = None,
) -> Trained:
    """Train on the chosen devices, and leave the best weights in the model."""
    saved = SaveRun(RunFolder(folder), tracker.run_id, experiment.cells.digest())
    interrupt, reporting = Interrupt(), _reporting(reporter, config, experiment.cells)
    loggers = [CSVLogger(folder, name="", version=""), *tracker.loggers()]
    callbacks = [ShowProgress(), interrupt, saved, *reporting]
    trainer = make_trainer(config, callbacks, loggers, folder)
    with peer_processes(config, folder):
        seconds = train_model(trainer, experiment, saved, config.ckpt_path)
    best_epoch, best_loss = int(saved.best_row["epoch"]), saved.best_row["loss"]
    outcome = Outcome.INTERRUPTED if interrupt.requested else Outcome.COMPLETED
    if any(one.pruned for one in reporting):
        outcome = Outcome.PRUNED
    because = why_ended(trainer, experiment.model, len(saved.history))
    return Trained(saved.history, best_epoch, best_loss, seconds, outcome, because)


def _reporting(reporter: Reporter | None, config: RunConfig, cells: Cells) -> list[ReportEpochs]:
    """The callbacks that report epochs to a search, if there is one."""
    if reporter is None:
        return []
    if config.trainer.n_processes > 1:
        log.warning("no pruning: a run on several devices reports no epochs")
        return []
    if reporter.monitor == "loss":
        sign = 1 if METRICS[config.objective].direction == "minimize" else -1
        return [ReportEpochs(lambda model: sign * model.epoch_metrics["loss"], reporter.report)]
    measure = EpochMetric(config.objective, cells, config.correct.batch_ref)
    return [ReportEpochs(measure, reporter.report)]


def run_peer(config: RunConfig, folder: Path) -> None:
    """Take part in the training of another process's run (DDP)."""
    quiet_libraries()
    end_with_parent()
    with KeptCells() as kept:
        _take_part(config, build(config, kept.load(config)), folder)


def _take_part(config: RunConfig, experiment: Experiment, folder: Path) -> None:
    callbacks = [ShowProgress(), Interrupt(), SaveRun(RunFolder(folder))]
    trainer = make_trainer(config, callbacks, [], folder)
    say_ready(folder)
    try:
        trainer.fit(
            experiment.model, experiment.datamodule, ckpt_path=config.ckpt_path, weights_only=True
        )
    finally:
        leave_group()


def train_model(
    trainer: pl.Trainer, experiment: Experiment, saved: SaveRun, ckpt_path: str | None
) -> float:
    """Train, and leave the best weights in the model, on its device; returns the seconds."""
    started = time.perf_counter()
    with stopped_as_asked():
        trainer.fit(experiment.model, experiment.datamodule, ckpt_path=ckpt_path, weights_only=True)
    seconds = time.perf_counter() - started
    if not saved.history:
        raise RuntimeError("no epoch was trained: trainer.max_time or max_steps is too small")
    load_weights(saved.best, experiment.model)
    experiment.model.to(trainer.strategy.root_device)  # Lightning moves it to the CPU at the end
    return seconds


def quiet_libraries() -> None:
    """Hide messages of Lightning on which users cannot act."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",
        ".*logs directory .* exists and is not empty.*",
        ".*is smaller than the logging interval.*",
        ".*when logging on epoch level in distributed setting.*",  # ours are reduced
        ".*`srun` command is available.*",  # the run starts its processes itself
    ):
        warnings.filterwarnings(
            "ignore", message=message, module="(pytorch_lightning|lightning_fabric).*"
        )

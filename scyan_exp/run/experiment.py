"""One run, start to finish: cells, table and hyperparameters in, annotation out.

>>> from pathlib import Path
>>> from scyan_exp.run.experiment import run            # doctest: +SKIP
>>> run(config, Path("outputs/mine"), identity)     # doctest: +SKIP
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from scyan_exp.config.check import config_hash
from scyan_exp.config.objectives import METRICS
from scyan_exp.data.cells import Cells
from scyan_exp.errors import InputError
from scyan_exp.files import explain_unwritable, require_space
from scyan_exp.results.annotation import predict_cells, write_annotated
from scyan_exp.results.figures.drawing import draw_figures, shown_of
from scyan_exp.results.measuring import EpochMetric, compute_metrics
from scyan_exp.run.build import CELLS, Experiment, build, check_devices, check_trainer, make_trainer
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, Value, clear_results, recording
from scyan_exp.run.summary import say_results, say_training
from scyan_exp.run.tracking import RunIdentity, Tracker
from scyan_exp.training.checkpoint import check_resumable, load_weights
from scyan_exp.training.ddp import (
    end_with_parent,
    leave_group,
    n_processes,
    peer_processes,
    say_ready,
)
from scyan_exp.training.interrupt import Interrupt, stopped_as_asked
from scyan_exp.training.progress import ShowProgress
from scyan_exp.training.reporting import ReportEpochs, Reporter
from scyan_exp.training.saving import SaveRun

log = logging.getLogger(__name__)

#: Room for checkpoints, figures and logs, besides the annotated cells.
SMALL_FILES_BYTES = 50 * 2**20


class RunPruned(Exception):
    """The search stopped the run; it is recorded as pruned."""


class RunInterrupted(KeyboardInterrupt):
    """The run was stopped by Ctrl-C; its results so far are written."""


def run(
    config: Mapping[str, Any],
    folder: Path,
    identity: RunIdentity,
    *,
    continuing: bool = False,
    reporter: Reporter | None = None,
) -> Value:
    """Train, annotate, measure and write everything to the run folder.

    Args:
        config: a config that :func:`scyan_exp.config.check.check_config` returned.
        folder: the run folder; the README lists what it will hold.
        identity: name, group and tags on dashboards.
        continuing: go on from the folder's own last checkpoint, if there is one that fits.
        reporter: takes the value of each epoch, and may end the run.

    Returns:
        The value of ``config["objective"]``; a list of several.

    Raises:
        InputError: an input is wrong; nothing was trained or written.
        RunInterrupted: Ctrl-C; the best weights so far are annotated and saved.
        RunPruned: the search stopped it; nothing is annotated.
    """
    experiment = prepare(config, folder)
    if continuing:
        own = _own_checkpoint(config, experiment, folder)
        config = {**config, "ckpt_path": own or config["ckpt_path"]}
    resumed_id = _check_resume(config, experiment)
    require_space(folder, _bytes_needed(experiment.cells))
    clear_results(folder)
    record = RunRecord(folder, config_hash(config), config["seed"])
    with (
        explain_unwritable(folder),
        Tracker(config["logger"], folder, identity, config, resumed_id) as tracker,
        recording(record),
        _released(experiment.cells) as cells,
    ):
        record.wandb_run_id = tracker.run_id
        record.write()
        trained = fit(config, experiment, folder, tracker, reporter)
        record.epochs, record.fit_seconds = len(trained.history), trained.seconds
        metrics: dict[str, float] = {"loss": trained.best_loss}
        if trained.end == Outcome.PRUNED:
            tracker.log_results({**metrics, "pruned": True})
        else:
            annotation = predict_cells(experiment.model, cells.x, cells.covariates)
            metrics = compute_metrics(annotation, cells, trained.best_loss)
            shown = shown_of(annotation, cells, trained.history)
            figures = draw_figures(folder / "figures", shown)
            write_annotated(cells.adata, annotation, folder / "annotated.h5ad")
            tracker.log_results(metrics, figures)
        value = record.end(trained.end, metrics, config["objective"])
    if value is None:
        raise RunPruned(f"pruned by the search after {record.epochs} epochs")
    say_training(record.epochs, trained.best_epoch, trained.seconds, trained.end)
    say_results(annotation, metrics, folder)
    if trained.end == Outcome.INTERRUPTED:
        raise RunInterrupted
    return value


def prepare(config: Mapping[str, Any], folder: Path) -> Experiment:
    """Check the inputs of a run and build its parts; nothing is written.

    Raises:
        InputError: an input is wrong.
    """
    _quiet_libraries()
    check_devices(config["trainer"])
    experiment = build(config)
    check_trainer(config, experiment.cells.table.populations, folder)
    return experiment


@contextmanager
def _released(cells: Cells) -> Iterator[Cells]:
    try:
        yield cells
    finally:
        CELLS.release()


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind, besides the best weights in the model.

    Attributes:
        history: metrics of every epoch.
        best_epoch: index of the best epoch, whose weights are in the model.
        best_loss: its loss.
        seconds: time spent in training.
        end: ``completed``, ``interrupted`` by a signal, or ``pruned`` by a search.
    """

    history: list[dict[str, float]]
    best_epoch: int
    best_loss: float
    seconds: float
    end: Outcome


def fit(
    config: Mapping[str, Any],
    experiment: Experiment,
    folder: Path,
    tracker: Tracker,
    reporter: Reporter | None = None,
) -> Trained:
    """Train on the chosen devices; leave the best weights in the model."""
    saved = SaveRun(folder, tracker.run_id, experiment.cells.digest())
    interrupt, reporting = Interrupt(), _reporting(reporter, config, experiment.cells)
    loggers = [CSVLogger(folder, name="", version=""), *tracker.loggers()]
    callbacks = [ShowProgress(), interrupt, saved, *reporting]
    trainer = make_trainer(config, callbacks, loggers, folder)
    started = time.perf_counter()
    with stopped_as_asked(), peer_processes(config, folder):
        _fit(trainer, config, experiment)
    seconds = time.perf_counter() - started
    if not saved.history:
        raise RuntimeError("no epoch was trained: trainer.max_time or max_steps is too small")
    load_weights(saved.best, experiment.model)
    experiment.model.to(trainer.strategy.root_device)  # Lightning moves it to the CPU at the end
    best_loss = saved.best_rank[1]
    best_epoch = next(int(r["epoch"]) for r in saved.history if r["loss"] == best_loss)
    end = Outcome.INTERRUPTED if interrupt.requested else Outcome.COMPLETED
    if any(one.pruned for one in reporting):
        end = Outcome.PRUNED
    return Trained(saved.history, best_epoch, best_loss, seconds, end)


def _reporting(
    reporter: Reporter | None, config: Mapping[str, Any], cells: Cells
) -> list[ReportEpochs]:
    """What reports epochs to the search, if there is one to report to."""
    if reporter is None:
        return []
    if n_processes(config["trainer"]) > 1:
        log.warning("no pruning: a run on several devices reports no epochs")
        return []
    if reporter.monitor == "loss":
        sign = 1 if METRICS[config["objective"]].direction == "minimize" else -1
        return [ReportEpochs(lambda model: sign * model.epoch_metrics["loss"], reporter.report)]
    measure = EpochMetric(config["objective"], cells)
    return [ReportEpochs(measure, reporter.report)]


def run_peer(config: Mapping[str, Any], folder: Path) -> None:
    """Take part in the training of another process's run (DDP)."""
    _quiet_libraries()
    end_with_parent()
    experiment = build(config)
    callbacks = [ShowProgress(), Interrupt(), SaveRun(folder)]
    trainer = make_trainer(config, callbacks, [], folder)
    say_ready(folder)
    try:
        _fit(trainer, config, experiment)
    finally:
        leave_group()


def _fit(trainer: pl.Trainer, config: Mapping[str, Any], experiment: Experiment) -> None:
    trainer.fit(
        experiment.model, experiment.datamodule, ckpt_path=config["ckpt_path"], weights_only=True
    )


def _check_resume(config: Mapping[str, Any], experiment: Experiment) -> str | None:
    if config["ckpt_path"] is None:
        return None
    return check_resumable(
        config["ckpt_path"],
        experiment.model,
        config["trainer"]["max_epochs"],
        experiment.cells.digest(),
    )


def _own_checkpoint(config: Mapping[str, Any], experiment: Experiment, folder: Path) -> str | None:
    """The last checkpoint in the run folder, if there is training left to do from there."""
    path = str(folder / "checkpoints" / "last.ckpt")
    try:
        _check_resume({**config, "ckpt_path": path}, experiment)
    except InputError as reason:
        log.info("Starting from the beginning (%s)", reason)
        return None
    log.info("Continuing from %s", path)
    return path


def _bytes_needed(cells: Cells) -> int:
    """About the size of ``annotated.h5ad``, and room for the rest."""
    n_obs, n_vars = cells.adata.shape
    return 4 * n_obs * (n_vars + len(cells.table.markers) + 8) + SMALL_FILES_BYTES


def _quiet_libraries() -> None:
    """Leave out what Lightning says that no user can act on."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",
        ".*logs directory .* exists and is not empty.*",
        ".*is smaller than the logging interval.*",
        ".*when logging on epoch level in distributed setting.*",  # the module reduces itself
    ):
        warnings.filterwarnings(
            "ignore", message=message, module="(pytorch_lightning|lightning_fabric).*"
        )

"""Refining the model of a run, which then corrects the batch effect.

The first training annotates, whether there is a refined model or not: see the measurements in
``docs/batches.md``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning.loggers import CSVLogger

from scyan_exp.config.schema import RunConfig
from scyan_exp.data.datamodule import CellDataModule
from scyan_exp.errors import InputError
from scyan_exp.results.annotation import Annotation, load_model
from scyan_exp.run.build import Experiment, make_trainer
from scyan_exp.run.fitting import train_model
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import clear_refined
from scyan_exp.training.checkpoint import check_resumable, prior_of
from scyan_exp.training.ending import why_ended
from scyan_exp.training.interrupt import Interrupt
from scyan_exp.training.progress import ShowProgress
from scyan_exp.training.refining import mean_latents, with_filled_table
from scyan_exp.training.saving import SaveRun
from scyan_exp.training.scyan import Scyan
from scyan_exp.training.stopping import EarlyStopping

log = logging.getLogger(__name__)

#: Refining ends when the loss has not improved by ``MIN_DELTA`` for ``PATIENCE`` epochs (the
#: reference's values).
PATIENCE, MIN_DELTA = 10, 0.2
#: Modes that differ by less than this come from the same first training.
ROUNDING = 1e-4


@dataclass(frozen=True, repr=False)
class Refined:
    """The model that corrects the batch effect.

    Attributes:
        model: the refined model; without refining, that of the first training.
        outcome: how the run ended.
        seconds: time spent in refining.
    """

    model: Scyan
    outcome: Outcome
    seconds: float = 0.0


def refined(
    config: RunConfig,
    experiment: Experiment,
    annotation: Annotation,
    outcome: Outcome,
    folder: Path,
) -> Refined:
    """Refine the model of a run, if its config asks for it and nobody has interrupted the run.

    Args:
        config: the config; refining takes one device, however many the training took.
        experiment: cells, and the model after its training.
        annotation: the annotation by this model.
        outcome: how the training ended.
        folder: the run folder; a run that goes on also goes on with its refining.
    """
    if not config.correct.refine or outcome != Outcome.COMPLETED:
        clear_refined(folder)  # it would belong to an earlier state of the first training
        return Refined(experiment.model, outcome)
    cells, own = experiment.cells, RunFolder(folder).refined
    batches_N, _ = pd.factorize(cells.batches)
    n_pops = len(cells.table.populations)
    means_PM = mean_latents(annotation.latent, annotation.codes, batches_N, n_pops)
    model, n_filled = with_filled_table(experiment.model, means_PM)
    log.info("Refining: %d blank entries of the table get the mean of their cells", n_filled)
    datamodule = CellDataModule(
        cells, config.model.batch_size, config.model.max_samples, config.seed
    )
    last = _last(config, model, cells.digest(), own)
    return _train(config, Experiment(cells, model, datamodule), own, last)


def correcting_model(folder: Path, otherwise: Scyan) -> Scyan:
    """The model of a run that corrects the batch effect: the refined one, if there is one.

    Args:
        folder: the run folder.
        otherwise: the model of the first training; the refined one is put on the same device.
    """
    path = RunFolder(folder).refined.best
    return load_model(path).to(otherwise.device) if path.is_file() else otherwise


def _train(config: RunConfig, experiment: Experiment, own: RunFolder, last: Path | None) -> Refined:
    own.path.mkdir(parents=True, exist_ok=True)
    saved, interrupt = SaveRun(own, cells=experiment.cells.digest()), Interrupt()
    stopping = EarlyStopping(
        monitor="loss", patience=PATIENCE, min_delta=MIN_DELTA, check_on_train_epoch_end=True
    )
    callbacks = [stopping, ShowProgress(), interrupt, saved]
    loggers = [CSVLogger(own.path, name="", version="")]
    trainer = make_trainer(_alone(config), callbacks, loggers, own.path)
    seconds = train_model(trainer, experiment, saved, None if last is None else str(last))
    n_epochs, best = len(saved.history), int(saved.best_row["epoch"])
    log.info(
        "Refined: %d epochs in %.1f s, the best was number %d. It stopped because %s",
        *(n_epochs, seconds, best + 1, why_ended(trainer, experiment.model, n_epochs)),
    )
    outcome = Outcome.INTERRUPTED if interrupt.requested else Outcome.COMPLETED
    return Refined(experiment.model, outcome, seconds)


def _alone(config: RunConfig) -> RunConfig:
    """The config for training on one device, without the callbacks of the first training."""
    trainer, gpus = config.trainer, config.trainer.gpus
    one = trainer.model_copy(update={"devices": gpus[:1] or 1, "strategy": "auto"})
    return config.model_copy(update={"trainer": one, "callbacks": {}})


def _last(config: RunConfig, model: Scyan, cells: str, own: RunFolder) -> Path | None:
    """The checkpoint where refining was cut off, if the run goes on and refines the same model."""
    if config.ckpt_path is None or not own.last.is_file():
        return None
    try:
        n_epochs = config.trainer.max_epochs
        check_resumable(own.last, model, n_epochs, cells, may_be_complete=True)
    except InputError as reason:
        log.info("Refining starts from the beginning (%s)", reason)
        return None
    now, then = model.module.prior.rho.cpu(), prior_of(own.last)
    is_same = torch.allclose(now, then, rtol=0, atol=ROUNDING, equal_nan=True)
    return own.last if is_same else None

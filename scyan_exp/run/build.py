"""Building the parts of a run from its config, and checking that they fit together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import Logger

from scyan_exp.config.objectives import METRICS
from scyan_exp.config.schema import CallbackConfig, RunConfig, TrainerConfig
from scyan_exp.data.cells import Cells
from scyan_exp.data.datamodule import CellDataModule
from scyan_exp.errors import InputError, Problem, listed, near_matches
from scyan_exp.results.samples import sample_problems
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)

#: What each epoch logs, besides ``pi/<population>``.
LOGGED = (
    "loss",
    "table_agreement",
    "ldj",
    "prior_std",
    "use_temperature",
    "lr",
    "cells_per_second",
)


@dataclass
class Experiment:
    """The parts of a run, built from its config."""

    cells: Cells
    model: Scyan
    datamodule: CellDataModule


def build(config: RunConfig, cells: Cells) -> Experiment:
    """Build the model of a config for its cells."""
    table = cells.table
    check_cells(config, cells)
    model = Scyan(
        table,
        cells.encoding,
        cells.preprocessing,
        seed=config.seed,
        **config.model.model_dump(),
    )
    datamodule = CellDataModule(
        cells, config.model.batch_size, config.model.max_samples, config.seed
    )
    log.info(
        "%s cells, %d markers, %d populations",
        f"{len(cells):,}",
        len(table.markers),
        len(table.populations),
    )
    return Experiment(cells, model, datamodule)


def make_trainer(
    config: RunConfig,
    callbacks: Sequence[pl.Callback],
    loggers: Sequence[Logger],
    folder: Path,
) -> pl.Trainer:
    """The Lightning trainer of the config, with the config's callbacks and our own.

    Raises:
        InputError: Lightning does not take the settings of a callback, or of the trainer.
    """
    configured = [make_callback(name, one) for name, one in config.callbacks.items()]
    # In epochs with the temperature, the weights of the populations are not trained, which DDP must
    # expect.
    many = config.trainer.n_processes > 1
    strategy = "ddp_find_unused_parameters_true" if many else "auto"
    settings: dict[str, Any] = {**config.trainer.arguments(), "strategy": strategy}
    try:
        return pl.Trainer(
            **settings,
            callbacks=[*configured, *callbacks],
            logger=list(loggers),
            default_root_dir=folder,
            # The run starts its processes itself, even where a cluster has set variables for
            # Lightning.
            plugins=[LightningEnvironment()],
        )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise InputError(f"trainer: {error}", where="config") from error


def make_callback(name: str, callback: CallbackConfig) -> pl.Callback:
    """A callback of the config.

    Raises:
        InputError: it does not accept the arguments.
    """
    try:
        made: pl.Callback = instantiate(callback.plain(), _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, InputError):
            raise cause from None
        if isinstance(cause, (TypeError, MisconfigurationException)):  # it refuses the arguments
            raise InputError(f"callbacks.{name}: {cause}", where="config") from error
        raise
    return made


def check_devices(trainer: TrainerConfig) -> None:
    """Make sure that the devices asked for exist.

    Raises:
        InputError: there is no such GPU, or no GPU at all.
    """
    found = torch.cuda.device_count() if trainer.on_gpu else 0
    absent = [str(i) for i in trainer.gpus if i >= found]
    if not absent:
        return
    names = ", ".join(f"{i} ({torch.cuda.get_device_name(i)})" for i in range(found))
    built = "" if torch.version.cuda else f" (torch {torch.__version__} is built without CUDA)"
    raise InputError(
        f"trainer.devices: no GPU {', '.join(absent)}; this machine has "
        f"{names or 'no GPU'}{built}. Use trainer=cpu or other trainer.devices"
    )


def check_trainer(config: RunConfig, populations: Sequence[str], folder: Path) -> None:
    """Make sure that Lightning takes the settings of trainer and callbacks.

    Raises:
        InputError: it does not.
    """
    on_cpu = config.trainer.model_copy(update={"accelerator": "cpu", "devices": 1})
    make_trainer(config.model_copy(update={"trainer": on_cpu}), [], [], folder)
    logged = [*LOGGED, *(f"pi/{name}" for name in populations)]
    problems = [
        Problem(
            f"callbacks.{name}.monitor",
            f"{callback.monitor!r} is not logged.{near_matches(str(callback.monitor), logged)} "
            f"Logged are {listed(logged, limit=60)}",
        )
        for name, callback in config.callbacks.items()
        if callback.monitor is not None and callback.monitor not in logged
    ]
    if problems:
        raise InputError(problems, where="config")


def check_cells(config: RunConfig, cells: Cells) -> None:
    """Make sure that all that the config asks for can be measured on these cells.

    Raises:
        InputError: the objective needs labels, but none of them is a row of the table; samples
            cannot be measured or compared; or cells are to be brought to an unknown batch.
    """
    levels = list(cells.table.levels)
    problems = [
        *_objective_problems(config, cells),
        *sample_problems(cells.adata.obs, levels, config.biomarkers),
        *cells.encoding.batch_problems(config.correct.batch_ref),
    ]
    if problems:
        raise InputError(problems)


def _objective_problems(config: RunConfig, cells: Cells) -> list[str]:
    wanted = [name for name in config.objectives if "labels" in METRICS[name].needs]
    if not wanted or cells.labels is None or cells.labels.isin(cells.table.populations).any():
        return []
    return [
        f"objective: {wanted[0]!r} needs labels that are rows of the table; labels: "
        f"{listed(map(repr, sorted(cells.labels.dropna().unique()))) or 'none'}; rows: "
        f"{listed(cells.table.populations)}"
    ]

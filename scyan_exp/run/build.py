"""Building the parts of a run from its config, and checking that they fit together."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import Logger

from scyan_exp.config.check import objective_names
from scyan_exp.config.objectives import METRICS
from scyan_exp.data.cells import Cells, prepare_cells
from scyan_exp.data.datamodule import CellDataModule
from scyan_exp.errors import InputError, listed, near_matches
from scyan_exp.training.ddp import n_processes
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)

#: What each epoch logs, besides pi/<population>.
LOGGED = ("loss", "ldj", "prior_std", "use_temperature", "lr", "cells_per_second")


@dataclass
class Experiment:
    """The parts of a run, built from its config."""

    cells: Cells
    model: Scyan
    datamodule: CellDataModule


def build(config: Mapping[str, Any]) -> Experiment:
    """Load and check the inputs; build the model."""
    cells = CELLS.load(config)
    table = cells.table
    check_objective(config["objective"], cells)
    make_model = instantiate(config["model"], _partial_=True, _convert_="all")
    model = make_model(
        table=table,
        encoding=cells.encoding,
        preprocessing=cells.preprocessing,
        seed=config["seed"],
    )
    datamodule = CellDataModule(
        cells, config["model"]["batch_size"], config["model"]["max_samples"], config["seed"]
    )
    log.info(
        "%s cells, %d markers, %d populations",
        f"{len(cells):,}",
        len(table.markers),
        len(table.populations),
    )
    return Experiment(cells, model, datamodule)


class CellsInUse:
    """The cells of the present job; in a process of many jobs, kept for the next one.

    Attributes:
        keep: whether cells stay loaded until a job asks for others.
    """

    def __init__(self) -> None:
        self.keep = False
        self._key: str | None = None
        self._cells: Cells | None = None

    def load(self, config: Mapping[str, Any]) -> Cells:
        """The cells and the table that a config names."""
        key = json.dumps([config["table"], config["dataset"], _states_of_files(config)])
        if self._cells is None or key != self._key:
            self.close()
            self._cells, self._key = load_cells(config), key
        return self._cells

    def release(self) -> None:
        """The job is done with them."""
        if not self.keep:
            self.close()

    def close(self) -> None:
        """Forget the cells, and close their file."""
        if self._cells is not None:
            self._cells.close()
        self._cells = self._key = None


CELLS = CellsInUse()


def load_cells(config: Mapping[str, Any]) -> Cells:
    """Read, check and prepare the cells that a config names.

    Raises:
        InputError: what is wrong with table or cells.
    """
    table = make("table", config["table"])
    dataset = make("dataset", config["dataset"])
    try:
        return prepare_cells(dataset.read(), table, dataset)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"the cells cannot be read ({reason})", where=error.filename) from error


def _states_of_files(config: Mapping[str, Any]) -> list[list[int]]:
    """Tells whether files have changed since they were read."""
    paths = [Path(str(config[part].get("path", ""))).expanduser() for part in ("table", "dataset")]
    states = [path.stat() for path in paths if path.is_file()]
    return [[state.st_mtime_ns, state.st_size] for state in states]


def make(where: str, section: Mapping[str, Any], **options: Any) -> Any:
    """Instantiate a section of the config.

    Raises:
        InputError: as the class said, or it does not take the arguments given.
    """
    try:
        return instantiate(section, _convert_="all", **options)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, InputError):
            raise cause from None
        if isinstance(cause, (TypeError, MisconfigurationException)):  # arguments it refuses
            raise InputError(f"{where}: {cause}", where="config") from error
        raise


def make_trainer(
    config: Mapping[str, Any],
    callbacks: Sequence[pl.Callback],
    loggers: Sequence[Logger],
    folder: Path,
) -> pl.Trainer:
    """The Lightning trainer of the config, with its callbacks and ours."""
    configured = [make(f"callbacks.{k}", c) for k, c in config["callbacks"].items()]
    # In temperature epochs the weights of the populations do not learn: DDP must expect that.
    many = n_processes(config["trainer"]) > 1
    settings = {
        **config["trainer"],
        "strategy": "ddp_find_unused_parameters_true" if many else "auto",
    }
    make_one: partial[pl.Trainer] = make("trainer", settings, _partial_=True)
    return make_one(
        callbacks=[*configured, *callbacks],
        logger=list(loggers),
        default_root_dir=folder,
        # The run starts its processes itself, also where a cluster's variables are set.
        plugins=[LightningEnvironment()],
    )


def check_devices(trainer: Mapping[str, Any]) -> None:
    """Make sure that the devices asked for exist.

    Raises:
        InputError: there is no such GPU, or no GPU at all.
    """
    if trainer["accelerator"] not in ("gpu", "cuda"):
        return
    devices, found = trainer["devices"], torch.cuda.device_count()
    wanted = devices if isinstance(devices, list) else range(devices)
    absent = [str(i) for i in wanted if i >= found]
    if not absent:
        return
    names = ", ".join(f"{i} ({torch.cuda.get_device_name(i)})" for i in range(found))
    built = "" if torch.version.cuda else f" (torch {torch.__version__} is built without CUDA)"
    raise InputError(
        f"trainer.devices: no GPU {', '.join(absent)}; this machine has "
        f"{names or 'no GPU'}{built}. Use trainer=cpu or other trainer.devices"
    )


def check_trainer(config: Mapping[str, Any], populations: Sequence[str], folder: Path) -> None:
    """Make sure that Lightning takes the settings of trainer and callbacks.

    Raises:
        InputError: it does not.
    """
    settings = {**config["trainer"], "accelerator": "cpu", "devices": 1}
    try:
        make_trainer({**config, "trainer": settings}, [], [], folder)
    except (MisconfigurationException, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"trainer: {error}", where="config") from error
    logged = [*LOGGED, *(f"pi/{name}" for name in populations)]
    problems = [
        f"callbacks.{name}.monitor: {callback['monitor']!r} is not logged."
        f"{near_matches(str(callback['monitor']), logged)} Logged are {listed(logged, limit=60)}"
        for name, callback in config["callbacks"].items()
        if callback.get("monitor") is not None and callback["monitor"] not in logged
    ]
    if problems:
        raise InputError(problems, where="config")


def check_objective(objective: str | list[str], cells: Cells) -> None:
    """Make sure that the objective can be computed on these cells.

    Raises:
        InputError: it needs labels, and none of them is a row of the table.
    """
    wanted = [name for name in objective_names(objective) if "labels" in METRICS[name].needs]
    if not wanted or cells.labels is None:
        return
    if not cells.labels.isin(cells.table.populations).any():
        raise InputError(
            f"objective: {wanted[0]!r} needs labels that are rows of the table; labels: "
            f"{listed(sorted(cells.labels.dropna().unique())) or 'none'}; rows: "
            f"{listed(cells.table.populations)}"
        )

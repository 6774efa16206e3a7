"""One run, start to finish: cells, table and hyperparameters in, annotation out.

>>> from pathlib import Path
>>> from scyan_exp.experiment import run            # doctest: +SKIP
>>> run(config, Path("outputs/mine"), identity)     # doctest: +SKIP
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.loggers import CSVLogger, Logger

from scyan_exp.config import LABEL_OBJECTIVES, config_hash
from scyan_exp.data.cells import Cells, prepare_cells
from scyan_exp.data.datamodule import CellDataModule
from scyan_exp.errors import InputError, listed
from scyan_exp.files import explain_unwritable, require_space
from scyan_exp.results.annotation import Annotation, predict_cells, write_annotated
from scyan_exp.results.figures import draw_figures
from scyan_exp.results.metrics import compute_metrics
from scyan_exp.results.record import RunRecord
from scyan_exp.results.tracking import RunIdentity, Tracker
from scyan_exp.training.checkpoint import check_resumable, load_weights
from scyan_exp.training.ddp import end_with_parent, peer_processes
from scyan_exp.training.interrupt import Interrupt, StoppedAtOnce
from scyan_exp.training.progress import ShowProgress
from scyan_exp.training.saving import SaveRun
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)

#: Room for checkpoints, figures and logs, besides the annotated cells.
SMALL_FILES_BYTES = 50 * 2**20


class RunInterrupted(KeyboardInterrupt):
    """The run was stopped by Ctrl-C; its results so far are written."""


@dataclass
class Experiment:
    """The parts of a run, built from its config."""

    cells: Cells
    model: Scyan
    datamodule: CellDataModule


def run(config: Mapping[str, Any], folder: Path, identity: RunIdentity) -> float:
    """Train, annotate, measure and write everything to the run folder.

    Args:
        config: a config that :func:`scyan_exp.config.check_config` returned.
        folder: the run folder; see ``docs`` for what it will hold.
        identity: name, group and tags on dashboards.

    Returns:
        The value of ``config["objective"]``.

    Raises:
        InputError: an input is wrong; nothing was trained or written.
        RunInterrupted: Ctrl-C; the best weights so far are annotated and saved.
    """
    _quiet_libraries()
    check_devices(config["trainer"])
    experiment = build(config)
    require_space(folder, _bytes_needed(experiment.cells))
    resumed_id = _check_resume(config, experiment.model)
    record = RunRecord(folder, config_hash(config), config["seed"])
    with (
        explain_unwritable(folder),
        Tracker(config["logger"], folder, identity, config, resumed_id) as tracker,
        recorded(record),
    ):
        record.wandb_run_id = tracker.run_id
        record.write()
        saved, interrupted = fit(config, experiment, folder, tracker, record)
        return _report(config, experiment, saved, tracker, record, interrupted)


def build(config: Mapping[str, Any]) -> Experiment:
    """Load and check the inputs; build the model."""
    table = instantiate(config["table"])
    dataset = instantiate(config["dataset"], _convert_="all")
    cells = prepare_cells(dataset.read(), table, dataset)
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


def fit(
    config: Mapping[str, Any],
    experiment: Experiment,
    folder: Path,
    tracker: Tracker,
    record: RunRecord,
) -> tuple[SaveRun, bool]:
    """Train on the chosen devices; leave the best weights in the model.

    Returns:
        What was saved along the way, and whether a signal ended the training.
    """
    saved, interrupt = SaveRun(folder, tracker.run_id), Interrupt()
    loggers = [CSVLogger(folder, name="", version=""), *tracker.loggers()]
    trainer = make_trainer(config, [ShowProgress(), interrupt, saved], loggers, folder)
    started = time.perf_counter()
    try:
        with peer_processes(config, folder):
            trainer.fit(
                experiment.model,
                experiment.datamodule,
                ckpt_path=config["ckpt_path"],
                weights_only=True,
            )
    except StoppedAtOnce as error:
        raise KeyboardInterrupt("stopped at once") from error
    record.fit_seconds = time.perf_counter() - started
    record.epochs = len(saved.history)
    load_weights(saved.best, experiment.model)
    return saved, interrupt.requested


def run_peer(config: Mapping[str, Any], folder: Path) -> None:
    """Take part in the training of another process's run (DDP)."""
    _quiet_libraries()
    end_with_parent()
    experiment = build(config)
    callbacks = [ShowProgress(), Interrupt(), SaveRun(folder)]
    trainer = make_trainer(config, callbacks, [], folder)
    trainer.fit(
        experiment.model, experiment.datamodule, ckpt_path=config["ckpt_path"], weights_only=True
    )
    torch.distributed.destroy_process_group()


def make_trainer(
    config: Mapping[str, Any],
    callbacks: Sequence[pl.Callback],
    loggers: Sequence[Logger],
    folder: Path,
) -> pl.Trainer:
    """The Lightning trainer of the config, with its callbacks and ours."""
    configured = [instantiate(c, _convert_="all") for c in config["callbacks"].values()]
    make: partial[pl.Trainer] = instantiate(config["trainer"], _partial_=True, _convert_="all")
    return make(callbacks=[*configured, *callbacks], logger=list(loggers), default_root_dir=folder)


class recorded:  # noqa: N801 (a context, used like a function)
    """Within the block, any error or interruption ends up in the run's record."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        if error is None or self.record.status == "interrupted":
            return
        self.record.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.record.error = f"{type(error).__name__}: {error}".strip(": ")
        self.record.write()


def check_devices(trainer: Mapping[str, Any]) -> None:
    """Make sure that the devices asked for exist.

    Raises:
        InputError: there is no such GPU, or no GPU at all.
    """
    if trainer["accelerator"] not in ("gpu", "cuda"):
        return
    devices, found = trainer["devices"], torch.cuda.device_count()
    wanted = devices if isinstance(devices, list) else range(devices if devices != "auto" else 1)
    absent = [str(i) for i in wanted if i >= found]
    if not absent:
        return
    names = ", ".join(f"{i} ({torch.cuda.get_device_name(i)})" for i in range(found))
    built = "" if torch.version.cuda else f" (torch {torch.__version__} is built without CUDA)"
    raise InputError(
        f"trainer.devices: no GPU {', '.join(absent)}; this machine has "
        f"{names or 'no GPU'}{built}. Use trainer=cpu or other trainer.devices"
    )


def check_objective(objective: str, cells: Cells) -> None:
    """Make sure that the objective can be computed on these cells.

    Raises:
        InputError: it needs labels, and none of them is a row of the table.
    """
    if objective not in LABEL_OBJECTIVES or cells.labels is None:
        return
    if not cells.labels.isin(cells.table.populations).any():
        raise InputError(
            f"objective: {objective!r} needs labels that are rows of the table; labels: "
            f"{listed(sorted(cells.labels.dropna().unique())) or 'none'}; rows: "
            f"{listed(cells.table.populations)}"
        )


def _report(
    config: Mapping[str, Any],
    experiment: Experiment,
    saved: SaveRun,
    tracker: Tracker,
    record: RunRecord,
    interrupted: bool,
) -> float:
    """Annotate with the best weights; write metrics, figures, cells and record."""
    cells, folder = experiment.cells, record.folder
    annotation = predict_cells(experiment.model, cells.x, cells.covariates)
    metrics = {"loss": saved.best_rank[1], **compute_metrics(annotation, cells)}
    figures = draw_figures(folder / "figures", annotation, saved.history, cells.labels)
    write_annotated(cells.adata, annotation, folder / "annotated.h5ad")
    tracker.log_results(metrics, figures)
    record.metrics, record.objective = metrics, metrics.get(config["objective"])
    record.status = "interrupted" if interrupted else "completed"
    record.write()
    _say_results(annotation, metrics, record)
    if interrupted:
        raise RunInterrupted
    assert record.objective is not None
    return record.objective


def _say_results(annotation: Annotation, metrics: Mapping[str, float], record: RunRecord) -> None:
    unannotated = int((annotation.codes < 0).sum())
    log.info("%d epochs in %.1f s (%s)", record.epochs, record.fit_seconds, record.status)
    for name, value in metrics.items():
        log.info("  %-22s %s", name, f"{value:.4f}" if isinstance(value, float) else value)
    if unannotated:
        log.info("  %-22s %s cells", "unannotated", f"{unannotated:,}")
    log.info("Results: %s", record.folder)


def _check_resume(config: Mapping[str, Any], model: Scyan) -> str | None:
    path = config["ckpt_path"]
    return None if path is None else check_resumable(path, model)


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

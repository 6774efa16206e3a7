"""One run, start to finish: cells, table and hyperparameters in, annotation out.

>>> from pathlib import Path
>>> from scyan_exp.run.experiment import run        # doctest: +SKIP
>>> run(config, Path("outputs/mine"), identity)     # doctest: +SKIP
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.config.schema import RunConfig
from scyan_exp.data.cells import Cells
from scyan_exp.errors import InputError
from scyan_exp.files import explain_unwritable, require_space
from scyan_exp.results.annotation import Annotation, predict_cells
from scyan_exp.results.columns import check_key
from scyan_exp.results.verdict import Verdict
from scyan_exp.run.build import Experiment, build, check_devices, check_trainer
from scyan_exp.run.cells import KeptCells
from scyan_exp.run.concluding import Corrector, conclude
from scyan_exp.run.fitting import Trained, fit, quiet_libraries
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, Value, clear_refined, clear_results, recording
from scyan_exp.run.refining import Refined, refined
from scyan_exp.run.summary import say_results, say_training, say_warm_up
from scyan_exp.run.tracked import described
from scyan_exp.run.tracking import RunIdentity, Tracker
from scyan_exp.training.checkpoint import check_resumable
from scyan_exp.training.reporting import Reporter

log = logging.getLogger(__name__)

#: Bytes for checkpoints, figures and logs, besides the annotated cells.
SMALL_FILES_BYTES = 50 * 2**20


class RunPruned(Exception):
    """The search stopped the run, which is recorded as pruned."""


class RunInterrupted(KeyboardInterrupt):
    """The run was stopped by Ctrl-C; its results so far are written."""


def run(
    config: RunConfig,
    folder: Path,
    identity: RunIdentity,
    *,
    continuing: bool = False,
    reporter: Reporter | None = None,
    cells: KeptCells | None = None,
) -> Value:
    """Train, annotate, measure and write everything to the run folder.

    Args:
        config: the config.
        folder: the run folder; ``docs/results.md`` lists what it will hold.
        identity: name, group and tags on dashboards.
        continuing: whether to go on from the folder's last checkpoint, if it fits.
        reporter: takes the value of each epoch, and may end the run.
        cells: keeps cells loaded from run to run; they are used again if this config has the same
            ones.

    Returns:
        The value of the objective; a list if there are several.

    Raises:
        InputError: an input is wrong, and nothing was trained or written.
        RunInterrupted: Ctrl-C; the best model so far is saved and has annotated.
        RunPruned: the search stopped it, and nothing is annotated.
    """
    with KeptCells() if cells is None else nullcontext(cells) as kept:
        experiment = prepare(config, folder, kept)
        if continuing:
            config = _continued(config, experiment, folder)
        return _run(config, experiment, folder, identity, reporter)


def _run(
    config: RunConfig,
    experiment: Experiment,
    folder: Path,
    identity: RunIdentity,
    reporter: Reporter | None,
) -> Value:
    resumed_id = _check_resume(config, experiment, folder)
    require_space(folder, _bytes_needed(config, experiment.cells))
    clear_results(folder)
    if config.ckpt_path is None or not config.correct.refine:
        clear_refined(folder)
    record = RunRecord(folder, config.hash, config.seed)
    told = described(config, identity.choices, experiment.cells.table)
    with (
        explain_unwritable(folder),
        Tracker(config.logger, folder, identity, told, resumed_id) as tracker,
        recording(record),
    ):
        record.wandb_run_id = tracker.run_id
        record.write()
        trained = fit(config, experiment, folder, tracker, reporter)
        record.epochs, record.fit_seconds = len(trained.history), trained.seconds
        record.stopped_because = trained.because
        if trained.outcome == Outcome.PRUNED:
            annotated, metrics = None, {"loss": trained.best_loss}
            tracker.log_results(metrics)
        else:
            annotated = _annotate(config, experiment, trained, folder, tracker)
            metrics, record.trust = annotated.metrics, annotated.verdict.to_dict()
            record.fit_seconds += annotated.refined.seconds
        outcome = trained.outcome if annotated is None else annotated.outcome
        tracker.log_outcome(outcome)
        value = record.end(outcome, metrics, config.objective)
    if annotated is None or value is None:
        raise RunPruned(f"pruned by the search after {record.epochs} epochs")
    say_training(trained)
    say_warm_up(trained.best_epoch, experiment.model.warm_up_epochs, record.epochs)
    say_results(annotated.annotation, metrics, annotated.verdict, folder)
    if outcome == Outcome.INTERRUPTED:
        raise RunInterrupted
    return value


@dataclass(frozen=True)
class _Annotated:
    """The annotation of a training, and all that was made of it."""

    annotation: Annotation
    metrics: dict[str, float]
    verdict: Verdict
    refined: Refined
    outcome: Outcome


def _annotate(
    config: RunConfig, experiment: Experiment, trained: Trained, folder: Path, tracker: Tracker
) -> _Annotated:
    """Annotate the cells, refine the model if asked for, and write the results."""
    cells, model = experiment.cells, experiment.model
    annotation = predict_cells(model, cells.x, cells.covariates, config.predict)
    better = refined(config, experiment, annotation, trained.outcome, folder)
    done = conclude(annotation, cells, folder, config.wanted, Corrector(better.model), trained)
    tables = {}
    if tracker.run_id is not None:  # nobody else uses them
        tables = done.tables(model.module.log_pi.detach().exp().cpu().numpy())
    tracker.log_results(done.metrics, done.figures, tables)
    tracker.log_verdict(done.verdict)
    tracker.log_artifacts()
    outcome = better.outcome if done.is_whole else Outcome.INTERRUPTED
    return _Annotated(annotation, done.metrics, done.verdict, better, outcome)


def prepare(config: RunConfig, folder: Path, cells: KeptCells) -> Experiment:
    """Check the inputs of a run and build its parts; nothing is written.

    Raises:
        InputError: an input is wrong.
    """
    quiet_libraries()
    check_devices(config.trainer)
    experiment = build(config, cells.load(config))
    check_key(config.predict, experiment.cells.adata, experiment.cells.table)
    check_trainer(config, experiment.cells.table.populations, folder)
    return experiment


def _check_resume(config: RunConfig, experiment: Experiment, folder: Path) -> str | None:
    """The id of the W&B run to continue, if the run starts from a checkpoint that has one.

    A run that was cut off after its last epoch need not be trained, but the rest is still to do.
    """
    if config.ckpt_path is None:
        return None
    is_own = Path(config.ckpt_path).resolve() == RunFolder(folder).last.resolve()
    return check_resumable(
        config.ckpt_path,
        experiment.model,
        config.trainer.max_epochs,
        experiment.cells.digest(),
        may_be_complete=is_own or config.correct.refine,
    )


def _continued(config: RunConfig, experiment: Experiment, folder: Path) -> RunConfig:
    """The config, which goes on from the run folder's last checkpoint if that fits."""
    last = RunFolder(folder).last
    continued = config.changed(ckpt_path=str(last))
    try:
        _check_resume(continued, experiment, folder)
    except InputError as reason:
        log.info("Starting from the beginning (%s)", reason)
        return config
    log.info("Continuing from %s", last)
    return continued


def _bytes_needed(config: RunConfig, cells: Cells) -> int:
    """About the size of ``annotated.h5ad``, and of the other files."""
    n_obs, n_vars = cells.adata.shape
    n_layers = 1 if config.correct.batch_ref is None else 2
    n_proba = len(cells.table.populations) if config.predict.proba else 0
    n_columns = n_layers * n_vars + len(cells.table.markers) + n_proba + 8
    return 4 * n_obs * n_columns + SMALL_FILES_BYTES

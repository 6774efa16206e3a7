"""A run of several trainings, one a seed, and their consensus."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from scyan_exp.config.schema import RunConfig
from scyan_exp.data.cells import Cells
from scyan_exp.files import explain_unwritable
from scyan_exp.results.annotation import load_model, write_annotated
from scyan_exp.results.consensus import Consensus, Member, combine, weigh
from scyan_exp.results.figures.drawing import draw_figures, shown_of
from scyan_exp.results.measuring import compute_metrics
from scyan_exp.run.cells import KeptCells
from scyan_exp.run.experiment import RunPruned, prepare, run
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, Value, clear_earlier, recording
from scyan_exp.run.repeat import Repeat, repeats_of
from scyan_exp.run.summary import say_repeats, say_results
from scyan_exp.run.tracking import RunIdentity, Tracker
from scyan_exp.training.reporting import Reporter

log = logging.getLogger(__name__)


def run_all(
    config: RunConfig,
    folder: Path,
    identity: RunIdentity,
    *,
    continuing: bool = False,
    reporter: Reporter | None = None,
    cells: KeptCells | None = None,
) -> Value:
    """Run a config with its repeats; a single run is :func:`scyan_exp.run.experiment.run`.

    Trainings whose folder holds the result of the same config are kept, so a run that was cut
    off goes on. The first one alone reports to a search: when it is pruned, so is the run.

    Returns:
        The mean of the trainings' objectives (a list of several).

    Raises:
        InputError, RunInterrupted, RunPruned: as a single run does.
    """
    repeats = repeats_of(config, folder)
    if not repeats:
        return run(config, folder, identity, continuing=continuing, reporter=reporter, cells=cells)
    with KeptCells() if cells is None else nullcontext(cells) as kept:
        return _run_repeats(config, folder, identity, repeats, reporter, kept)


def _run_repeats(
    config: RunConfig,
    folder: Path,
    identity: RunIdentity,
    repeats: Sequence[Repeat],
    reporter: Reporter | None,
    kept: KeptCells,
) -> Value:
    cells = prepare(repeats[0].config, folder, kept).cells
    record = RunRecord(folder, config.hash, config.seed)
    clear_earlier(folder)
    with explain_unwritable(folder), recording(record):
        pruned = _train(repeats, identity, reporter, kept)
        ended = [one for r in repeats if (one := RunRecord.read(r.folder)) is not None]
        record.epochs = sum(one.epochs for one in ended)
        record.fit_seconds = sum(one.fit_seconds for one in ended)
        if pruned is not None:
            record.end(Outcome.PRUNED, {}, config.objective)
        else:
            with Tracker(config.logger, folder, identity, config.plain()) as tracker:
                return _conclude(config, record, cells, repeats, tracker)
    raise pruned  # the record has said so already


def _train(
    repeats: Sequence[Repeat],
    identity: RunIdentity,
    reporter: Reporter | None,
    kept: KeptCells,
) -> RunPruned | None:
    """Train one after the other; return why no more were trained, if the search said so."""
    try:
        for i, repeat in enumerate(repeats):
            _train_one(repeat, identity, reporter if i == 0 else None, kept)
    except RunPruned as reason:
        return reason
    return None


def _train_one(
    repeat: Repeat, identity: RunIdentity, reporter: Reporter | None, kept: KeptCells
) -> None:
    """Train one of several, unless it is done."""
    ended = RunRecord.read_ended(repeat.folder, repeat.config)
    if ended is not None and ended.status == Outcome.PRUNED:
        raise RunPruned("pruned by the search earlier")
    if ended is not None:
        log.info("seed %d: completed earlier", repeat.seed)
        return
    log.info("seed %d", repeat.seed)
    own = replace(identity, name=f"{identity.name} seed={repeat.seed}")
    continuing = RunRecord.has_cut_off(repeat.folder, repeat.config)
    RunFolder(repeat.folder).write_config(repeat.config.plain())
    run(repeat.config, repeat.folder, own, continuing=continuing, reporter=reporter, cells=kept)


def _conclude(
    config: RunConfig,
    record: RunRecord,
    cells: Cells,
    repeats: Sequence[Repeat],
    tracker: Tracker,
) -> Value:
    """Annotate by consensus, measure, and write everything to the run folder."""
    members, consensus = _agree(config, repeats, cells)
    agreement = float(consensus.agreement.mean())
    of_consensus = {**compute_metrics(consensus, cells), "agreement": agreement}
    ended = [one for r in repeats if (one := RunRecord.read(r.folder)) is not None]
    mean, std = _spread([one.metrics for one in ended])
    own = RunFolder(record.folder)
    figures = draw_figures(own.figures, shown_of(consensus, cells, members=members))
    write_annotated(cells.adata, consensus, own.annotated)
    summary = {**_prefixed("std", std), **_prefixed("consensus", of_consensus)}
    tracker.log_results({**mean, **summary}, figures)
    tracker.log_outcome(Outcome.COMPLETED)
    record.wandb_run_id = tracker.run_id
    record.repeats = {
        "std": std,
        "consensus": of_consensus,
        "members": [
            {
                "seed": repeat.seed,
                "folder": repeat.name,
                "weight": member.weight,
                "metrics": one.metrics,
            }
            for repeat, member, one in zip(repeats, members, ended, strict=True)
        ],
    }
    value = record.end(Outcome.COMPLETED, mean, config.objective)
    assert value is not None
    say_repeats(mean, record.repeats)
    say_results(consensus, of_consensus, record.folder)
    return value


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _agree(
    config: RunConfig, repeats: Sequence[Repeat], cells: Cells
) -> tuple[list[Member], Consensus]:
    device = "cuda" if config.trainer.on_gpu else "cpu"
    models = {
        repeat.name: load_model(RunFolder(repeat.folder).best).to(device) for repeat in repeats
    }
    members, annotations = weigh(models, cells.x, cells.covariates)
    return members, combine(members, cells.x, cells.covariates, annotations)


def _spread(
    metrics: Sequence[Mapping[str, float | None]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and sample standard deviation of each metric; one that is not finite makes both so.

    Repeats that were trained before a package was installed may lack its metrics: those are left
    out.
    """
    mean, std = {}, {}
    for name in [one for one in metrics[0] if all(one in others for others in metrics)]:
        values = [math.inf if one[name] is None else float(one[name]) for one in metrics]  # type: ignore[arg-type]
        is_finite = all(map(math.isfinite, values))
        mean[name] = float(np.mean(values))
        std[name] = float(np.std(values, ddof=1)) if is_finite else math.inf
    return mean, std

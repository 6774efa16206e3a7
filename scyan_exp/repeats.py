"""A run of several trainings, one a seed, and their consensus."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from scyan_exp.build import CELLS, check_devices
from scyan_exp.config import config_hash
from scyan_exp.data.cells import Cells
from scyan_exp.errors import InputError
from scyan_exp.experiment import RunPruned, clear_results, run, say_results
from scyan_exp.files import explain_unwritable, write_text
from scyan_exp.results.annotation import load_model, write_annotated
from scyan_exp.results.consensus import Consensus, Member, combine, weigh
from scyan_exp.results.figures import draw_consensus_figures
from scyan_exp.results.metrics import compute_metrics
from scyan_exp.results.record import RunRecord, Value, recording
from scyan_exp.results.repeat import Repeat, repeats_of
from scyan_exp.results.tracking import RunIdentity, Tracker
from scyan_exp.search.trial import RunningTrial

log = logging.getLogger(__name__)


def run_all(
    config: Mapping[str, Any],
    folder: Path,
    identity: RunIdentity,
    *,
    continuing: bool = False,
    trial: RunningTrial | None = None,
) -> Value:
    """Run a config with its repeats; a single run is :func:`scyan_exp.experiment.run`.

    Trainings whose folder holds the result of the same config are kept, so a run that was cut
    off goes on. The first one alone reports to a search: when it is pruned, so is the run.

    Returns:
        The mean of the trainings' objectives (a list of several).

    Raises:
        InputError, RunInterrupted, RunPruned: as a single run does.
    """
    repeats = repeats_of(config, folder)
    if not repeats:
        return run(config, folder, identity, continuing=continuing, trial=trial)
    with _cells_kept():
        for i, repeat in enumerate(repeats):
            _run_one(repeat, config, folder, identity, trial if i == 0 else None)
        return _conclude(config, folder, identity, repeats)


def _run_one(
    repeat: Repeat,
    config: Mapping[str, Any],
    folder: Path,
    identity: RunIdentity,
    trial: RunningTrial | None,
) -> None:
    """Train one of several, unless it is done; its end is in the record of all, too."""
    record = RunRecord(folder, config_hash(config), config["seed"])
    ended = RunRecord.read_ended(repeat.folder, repeat.config)
    if ended is not None and ended["status"] == "completed":
        log.info("seed %d: completed earlier", repeat.seed)
        return
    own = replace(identity, name=f"{identity.name} seed={repeat.seed}")
    try:
        if ended is not None:
            raise RunPruned("pruned by the search earlier")
        log.info("seed %d", repeat.seed)
        text = OmegaConf.to_yaml(OmegaConf.create(repeat.config))
        continuing = RunRecord.has_cut_off(repeat.folder, repeat.config)
        write_text(repeat.folder / ".hydra" / "config.yaml", text)
        run(repeat.config, repeat.folder, own, continuing=continuing, trial=trial)
    except InputError:
        raise
    except RunPruned:
        record.end("pruned", {}, config["objective"])
        raise
    except BaseException:
        with recording(record):
            raise


@contextmanager
def _cells_kept() -> Iterator[None]:
    """The same cells for all trainings."""
    before, CELLS.keep = CELLS.keep, True
    try:
        yield
    finally:
        CELLS.keep = before
        CELLS.release()


def _conclude(
    config: Mapping[str, Any], folder: Path, identity: RunIdentity, repeats: Sequence[Repeat]
) -> Value:
    """Annotate by consensus, measure, and write everything to the run folder."""
    check_devices(config["trainer"])
    cells = CELLS.load(config)
    clear_results(folder)
    record = RunRecord(folder, config_hash(config), config["seed"])
    with (
        explain_unwritable(folder),
        Tracker(config["logger"], folder, identity, config) as tracker,
        recording(record),
    ):
        record.wandb_run_id = tracker.run_id
        record.write()
        members, consensus = _agree(config, repeats, cells)
        own = compute_metrics(consensus, cells)
        ended = [RunRecord.read(repeat.folder) or {} for repeat in repeats]
        mean, std = _spread([one["metrics"] for one in ended])
        figures = draw_consensus_figures(folder / "figures", consensus, members, cells.labels)
        write_annotated(cells.adata, consensus, folder / "annotated.h5ad")
        tracker.log_results(
            {
                **mean,
                **{f"std/{name}": value for name, value in std.items()},
                **{f"consensus/{name}": value for name, value in own.items()},
                "consensus/agreement": float(consensus.agreement.mean()),
            },
            figures,
        )
        record.epochs = sum(one["epochs"] for one in ended)
        record.fit_seconds = sum(one["fit_seconds"] for one in ended)
        record.repeats = {
            "std": std,
            "consensus": {**own, "agreement": float(consensus.agreement.mean())},
            "members": [
                {
                    "seed": repeat.seed,
                    "folder": repeat.name,
                    "weight": member.weight,
                    "metrics": one["metrics"],
                }
                for repeat, member, one in zip(repeats, members, ended, strict=True)
            ],
        }
        value = record.end("completed", mean, config["objective"])
    _say(record)
    say_results(consensus, record)
    assert value is not None
    return value


def _agree(
    config: Mapping[str, Any], repeats: Sequence[Repeat], cells: Cells
) -> tuple[list[Member], Consensus]:
    device = "cpu" if config["trainer"]["accelerator"] == "cpu" else "cuda"
    models = {
        repeat.name: load_model(repeat.folder / "checkpoints" / "best.ckpt").to(device)
        for repeat in repeats
    }
    members, annotations = weigh(models, cells.x, cells.covariates)
    return members, combine(members, cells.x, cells.covariates, annotations)


def _spread(
    metrics: Sequence[Mapping[str, float | None]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and sample standard deviation of each metric; one that is not finite makes both so."""
    mean, std = {}, {}
    for name in metrics[0]:
        values = [math.inf if one[name] is None else float(one[name]) for one in metrics]  # type: ignore[arg-type]
        is_finite = all(map(math.isfinite, values))
        mean[name] = float(np.mean(values))
        std[name] = float(np.std(values, ddof=1)) if is_finite else math.inf
    return mean, std


def _say(record: RunRecord) -> None:
    assert record.repeats is not None
    members, consensus = record.repeats["members"], record.repeats["consensus"]
    log.info("%d trainings; weight of each in the consensus:", len(members))
    for one in members:
        log.info("  seed %-4d %5.2f", one["seed"], one["weight"])
    log.info("consensus:")
    for name, value in consensus.items():
        log.info("  %-22s %.4f", name, value)
    log.info("mean of the trainings:")

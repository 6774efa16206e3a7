"""The consensus of several trainings on the same cells: measured, and written to one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.config.wanted import PredictConfig, Wanted
from scyan_exp.data.cells import Cells
from scyan_exp.results.annotation import load_model
from scyan_exp.results.consensus import Consensus, Inputs, Member, combine, weigh
from scyan_exp.results.verdict import Verdict
from scyan_exp.run.concluding import Corrector, conclude
from scyan_exp.run.config_file import read_columns
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord
from scyan_exp.run.refining import correcting_model
from scyan_exp.run.spread import spread
from scyan_exp.run.summary import say_repeats, say_results
from scyan_exp.run.tracked import Table, members_table
from scyan_exp.training.scyan import Scyan


@dataclass(frozen=True)
class Training:
    """A training that takes part in a consensus: a repeat, or a run of its own.

    Attributes:
        name: what tells it from the others, such as ``seed_3``.
        folder: its folder, relative to that of the consensus.
        record: its record.
        model: its model.
        inputs: its inputs and covariates, if they differ from those of the cells.
    """

    name: str
    folder: str
    record: RunRecord
    model: Scyan
    inputs: Inputs | None = None


@dataclass(frozen=True, repr=False)
class Agreed:
    """The consensus of several trainings.

    Attributes:
        consensus: the annotation.
        metrics: the metrics of the consensus.
        mean: the mean of each metric over the trainings.
        summary: what ``result.json`` has under ``repeats``.
        figures: the files of the figures.
        verdict: whether to use the annotation.
        tables: tables of populations, labels and trainings, for a dashboard.
    """

    consensus: Consensus
    metrics: dict[str, float]
    mean: dict[str, float]
    summary: dict[str, Any]
    figures: list[Path]
    verdict: Verdict
    tables: dict[str, Table]

    def say(self, folder: Path) -> None:
        """Log it."""
        say_repeats(self.mean, self.summary)
        say_results(self.consensus, self.metrics, self.verdict, folder)


def trained(record: RunRecord, name: str, folder: str, device: str = "cpu") -> Training:
    """Read a training from its run folder."""
    model = load_model(RunFolder(record.folder).best).to(device)
    if model.encoding.batch_key is None:  # models of earlier versions do not say it
        (key,) = read_columns(RunFolder(record.folder).config, "batch_key")
        model.encoding = replace(model.encoding, batch_key=key)
    return Training(name, folder, record, model)


def agree(
    trainings: Sequence[Training],
    cells: Cells,
    folder: Path,
    wanted: Wanted | None = None,
) -> Agreed:
    """Annotate by consensus, measure, and write cells and figures to a folder.

    Args:
        trainings: two or more, with one table.
        cells: the cells that all of them were trained on.
        folder: where to write.
        wanted: what is made of the cells; None for the defaults.

    Raises:
        KeyboardInterrupt: Ctrl-C, perhaps while figures were drawn: then the cells are annotated
            already.
    """
    wanted = wanted or Wanted()
    members, consensus = _combine(trainings, cells, wanted.predict)
    corrector = _corrector(trainings, members)
    done = conclude(consensus, cells, folder, wanted, corrector, members=members)
    if not done.is_whole:
        raise KeyboardInterrupt
    mean, std = spread([one.record.metrics for one in trainings])
    described = [
        _described(training, member, consensus)
        for training, member in zip(trainings, members, strict=True)
    ]
    summary = {"std": std, "consensus": done.metrics, "members": described}
    tables = {**done.tables(_weights(members)), "members": members_table(described)}
    return Agreed(consensus, done.metrics, mean, summary, done.figures, done.verdict, tables)


def _combine(
    trainings: Sequence[Training], cells: Cells, settings: PredictConfig
) -> tuple[list[Member], Consensus]:
    models = {one.name: one.model for one in trainings}
    inputs = {one.name: one.inputs for one in trainings if one.inputs is not None}
    members, own = weigh(models, cells.x, cells.covariates, inputs, settings)
    return members, combine(members, cells.x, cells.covariates, own, inputs, settings)


def _corrector(trainings: Sequence[Training], members: Sequence[Member]) -> Corrector:
    """What corrects the batch effect: only the model of the training with the largest weight.

    The mean of several inverse flows would be the inverse of none of them.
    """
    heaviest = max(members, key=lambda one: one.weight)
    training = next(one for one in trainings if one.name == heaviest.name)
    return Corrector(correcting_model(training.record.folder, training.model), training.inputs)


def _weights(members: Sequence[Member]) -> np.ndarray:
    """(P,) weights of the populations: the mean over the members, weighted by their weights."""
    of_each = [one.model.module.log_pi.detach().exp().cpu().numpy() for one in members]
    mean: np.ndarray = np.average(of_each, axis=0, weights=[one.weight for one in members])
    return mean


def _described(training: Training, member: Member, consensus: Consensus) -> dict[str, Any]:
    """What the record of the consensus says about a training."""
    own = consensus.members[member.name].population
    return {
        "seed": training.record.seed,
        "name": training.name,
        "folder": training.folder,
        "weight": member.weight,
        "agreement": float((own == consensus.population).mean()),
        "metrics": training.record.metrics,
    }

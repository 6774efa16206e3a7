"""What the runs in a folder have that a dashboard can show."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.config.hashing import INCIDENTAL
from scyan_exp.config.overrides import flat
from scyan_exp.config.schema import objective_names
from scyan_exp.errors import InputError
from scyan_exp.run.config_file import read_config_file
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.record import RunRecord

#: What a sweep varies most often: the columns of a dashboard that was told of no runs.
USUAL = ("model.prior_std", "model.temperature", "model.n_layers")
#: Metrics that every run has, and those of labelled cells.
ALWAYS = ("n_missing_populations", "table_agreement", "davies_bouldin", "heuristic")
LABELLED = ("accuracy", "f1_macro", "balanced_accuracy")
FIGURES = ("loss", "population_weights", "latent_expressions", "population_counts", "trust")


@dataclass(frozen=True)
class Facts:
    """What there is to show.

    Attributes:
        objectives: the metrics that are the objective.
        parameters: keys of the config whose values differ, or those that mostly do.
        populations: their names; empty where they are not known.
        metrics: names of the metrics.
        figures: names of the figures.
        on_gpu: whether a run was trained on a GPU.
    """

    objectives: tuple[str, ...] = ("heuristic",)
    parameters: tuple[str, ...] = USUAL
    populations: tuple[str, ...] = ()
    metrics: tuple[str, ...] = (*ALWAYS, *LABELLED)
    figures: tuple[str, ...] = (*FIGURES, "confusion_matrix")
    on_gpu: bool = False

    @property
    def has_labels(self) -> bool:
        """Whether the cells have labels."""
        return "accuracy" in self.metrics


def facts_of(folder: Path) -> Facts:
    """What the runs of a folder have: of a run, a sweep, or a search.

    Raises:
        InputError: there are no completed runs in it.
    """
    folders = [one for one in _runs(folder) if _metrics(one)]
    if not folders:
        reason = "expected the folder of a run, a sweep or a search with a completed run"
        raise InputError(reason if folder.is_dir() else f"no such folder; {reason}", str(folder))
    configs = [read_config_file(one.config) for one in folders]
    return Facts(
        objectives=tuple(objective_names(configs[0].get("objective", "heuristic"))),
        parameters=_varied(configs) or USUAL,
        populations=_union(_populations(one) for one in folders),
        metrics=_union(_metrics(one) for one in folders),
        figures=_union(sorted(f.stem for f in one.figures.glob("*.png")) for one in folders),
        on_gpu=any(one.get("trainer", {}).get("accelerator") != "cpu" for one in configs),
    )


def _runs(folder: Path) -> Iterator[RunFolder]:
    """The runs of a folder, and the repeats of each."""
    own = [RunFolder(folder)] if RunFolder(folder).result.is_file() else []
    for run in own or SweepFolder(folder).job_folders():
        yield run
        for repeat in sorted(run.path.glob(RunFolder(run.path).repeat(0).path.name[:-1] + "*")):
            yield RunFolder(repeat)


def _metrics(run: RunFolder) -> list[str]:
    record = RunRecord.read(run.path)
    values: Mapping[str, Any] = {} if record is None else record.metrics
    return [name for name, value in values.items() if value is not None and math.isfinite(value)]


def _populations(run: RunFolder) -> list[str]:
    """The populations whose weights a training wrote; none of a consensus."""
    if not run.population_weights.is_file():
        return []
    with run.population_weights.open(encoding="utf-8", newline="") as file:
        return [name for name in next(csv.reader(file), []) if name != "epoch"]


def _varied(configs: list[dict[str, Any]]) -> tuple[str, ...]:
    """Keys with several values, of numbers and words."""
    several = [flat({k: v for k, v in one.items() if k not in INCIDENTAL}) for one in configs]
    keys = [key for key, value in several[0].items() if isinstance(value, (int, float, str))]
    return tuple(key for key in keys if len({str(one.get(key)) for one in several}) > 1)


def _union(lists: Any) -> tuple[str, ...]:
    """Every name once, in the order in which they come."""
    return tuple(dict.fromkeys(name for names in lists for name in names))

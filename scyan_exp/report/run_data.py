"""A run as one plain structure: what its page draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.config.objectives import METRICS
from scyan_exp.config.schema import objective_names
from scyan_exp.errors import InputError
from scyan_exp.report.annotated import read_populations
from scyan_exp.report.course import read_curve, read_weights, weighed_populations
from scyan_exp.report.job_data import command_of, heaviest_of, repeats_data
from scyan_exp.report.numbers import plain, rounded
from scyan_exp.report.run_cells import cells_data
from scyan_exp.report.sweep_data import FORMAT
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.read_run import Run
from scyan_exp.run.record import RunRecord

Data = dict[str, Any]
#: Epochs whose population weights are kept.
MOST_EPOCHS = 400


def run_data(folder: str | Path) -> Data:
    """A run, a run with repeats or a consensus, also one that failed or still runs.

    Raises:
        InputError: there is no run in this folder, or a newer version of the program wrote it.
    """
    run = Run(Path(folder).absolute())
    record, training = run.record, heaviest_of(run.folder, run.record)
    label_key, objectives = _asked(run)
    cells = cells_data(run.folder, RunFolder(training).best, label_key)
    populations = cells["populations"] if cells else weighed_populations(training)
    values: Data = {
        "name": _name(run.folder),
        "sweep_report": SweepFolder(run.folder.parent).report.is_file(),
        "outcome": str(record.status),
        "error": record.error,
        "seed": record.seed,
        "epochs": record.epochs,
        "fit_seconds": rounded(record.fit_seconds),
        "objectives": objectives,
        "metrics": _metrics(record),
        "trust": _trust(record),
        "command": command_of(run.folder),
        "config": _text(RunFolder(run.folder).config),
        "figures": sorted(path.name for path in run.figures.values()),
        "populations": populations,
        "curve": read_curve(training),
        "weights": read_weights(training, populations, MOST_EPOCHS),
        "repeats": repeats_data(record, run.folder),
        "cells": cells,
        "counts": None if cells else _counts(run.folder, populations),
    }
    return {"format": FORMAT, "kind": "run", "run": values}


def _name(folder: Path) -> str:
    """The name of the folder; of a job after that of its sweep, for it is but a number."""
    if SweepFolder(folder.parent).holds_sweep():
        return f"{folder.parent.name} / {folder.name}"
    return folder.name


def _metrics(record: RunRecord) -> list[Data]:
    """The metrics; of a run with repeats their spread, and those of the consensus."""
    repeats: Mapping[str, Any] = record.repeats or {}
    return [
        {
            "name": name,
            "value": plain(value),
            "sd": plain(repeats.get("std", {}).get(name)),
            "consensus": plain(repeats.get("consensus", {}).get(name)),
            "direction": METRICS[name].direction if name in METRICS else None,
        }
        for name, value in record.metrics.items()
    ]


def _trust(record: RunRecord) -> Data:
    """The verdict as the page shows it; empty where nothing was said."""
    trust = record.trust or {}
    remarks = [
        {"population": name, "remarks": list(texts)}
        for name, texts in trust.get("populations", {}).items()
    ]
    signs = {name: rounded(value) for name, value in trust.get("signs", {}).items()}
    reasons = list(trust.get("reasons", []))
    return {"verdict": record.verdict, "reasons": reasons, "remarks": remarks, "signs": signs}


def _asked(run: Run) -> tuple[str | None, list[str]]:
    """The column of labels and the objectives, as the config says; nothing of a consensus."""
    try:
        config = run.config
    except InputError:
        return None, []
    objective = config.get("objective") or []
    names = [str(one) for one in objective] if not isinstance(objective, str) else [objective]
    return (config.get("dataset") or {}).get("label_key"), objective_names(names)


def _counts(folder: Path, populations: Sequence[str]) -> list[int] | None:
    """The cells of each population, of a run whose model is gone."""
    cells = read_populations(folder)
    return None if cells is None else cells.counts(populations).tolist()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None

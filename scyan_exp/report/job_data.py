"""A job of a sweep as the page holds it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.report.annotated import agreements, read_populations
from scyan_exp.report.course import read_curve, read_weights, weighed_populations
from scyan_exp.report.numbers import all_rounded, plain, rounded
from scyan_exp.report.ranking import yaml_if_readable
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord

Data = dict[str, Any]


def job_data(
    number: int, row: Mapping[str, Any], names: Sequence[Sequence[str]], most_weights: int
) -> tuple[Data, list[str]]:
    """A job, and its populations: ``shares`` and ``weights`` are in their order.

    Args:
        number: of the job.
        row: what :func:`~scyan_exp.run.read_sweep.read_sweep` says of it.
        names: its columns that are overrides, and those that are metrics.
        most_weights: epochs whose population weights are kept.
    """
    overrides, metrics = names
    folder = None if row["folder"] is None else Path(row["folder"])
    given = {key: plain(row[key]) for key in overrides if not _is_missing(row[key])}
    job: Data = {
        "number": number,
        "name": "",
        "overrides": given,
        "outcome": row["outcome"],
        "objective": plain(row["objective"]),
        "metrics": {key: plain(row[key]) for key in metrics if not _is_missing(row[key])},
        **{key: plain(row[key]) for key in ("epochs", "fit_seconds", "seconds", "device")},
        "error": None if _is_missing(row["error"]) else str(row["error"]),
    }
    if folder is None:
        return {**job, **_nothing()}, []
    record = RunRecord.read(folder)
    populations, of_cells = _cells(folder)
    course = heaviest_of(folder, record)
    of_files = {
        "verdict": record.verdict if record else "",
        "reasons": list((record.trust or {}).get("reasons", [])) if record else [],
        "command": command_of(folder),
        "figures": sorted(path.name for path in RunFolder(folder).figures.glob("*.png")),
        "has_report": RunFolder(folder).report.is_file(),
        "curve": _curves(folder, record),
        "weights": read_weights(course, populations, most_weights),
        "repeats": repeats_data(record, folder),
        **of_cells,
    }
    return {**job, **of_files}, populations


def command_of(folder: Path) -> str | None:
    """The command that trains the config of a job again: of a trial without its search."""
    given = yaml_if_readable(RunFolder(folder).overrides)
    if not isinstance(given, list):
        return None
    own = [str(one) for one in given if not str(one).startswith("search=")]
    return shlex.join(["scyan-exp", "train", *own])


def repeats_data(record: RunRecord | None, folder: Path) -> Data | None:
    """The members of a run with repeats or of a consensus; None for a single training.

    ``populations`` are by the mean agreement of the members on their cells, the lowest first.
    """
    if record is None or record.repeats is None:
        return None
    members = record.repeats.get("members", [])
    return {
        "members": [
            {
                "name": str(one.get("name", one.get("seed"))),
                "folder": str(one["folder"]),
                **{key: plain(one.get(key)) for key in ("seed", "weight", "agreement")},
                "metrics": {name: plain(value) for name, value in one["metrics"].items()},
            }
            for one in members
        ],
        "std": {name: plain(value) for name, value in record.repeats.get("std", {}).items()},
        "consensus": {k: plain(v) for k, v in record.repeats.get("consensus", {}).items()},
        "populations": agreements(folder),
    }


def _nothing() -> Data:
    """Of a job that never had a folder."""
    empty: Data = {"epoch": [], "loss": [], "agreement": []}
    return {
        "verdict": "",
        "reasons": [],
        "command": None,
        "figures": [],
        "has_report": False,
        "curve": empty,
        "weights": {"epoch": [], "of": []},
        "repeats": None,
        "shares": None,
        "shares_of": None,
        "unannotated": None,
    }


def _cells(folder: Path) -> tuple[list[str], Data]:
    """The populations, and how large a share of the cells each was given.

    Without annotated cells: the weights after the last epoch.
    """
    cells = read_populations(folder)
    if cells is not None and len(cells.codes):
        shares = cells.counts(cells.categories) / len(cells.codes)
        unannotated = rounded(float(np.mean(cells.codes < 0)))
        values: Data = {"shares": all_rounded(shares.tolist()), "shares_of": "cells"}
        return cells.categories, {**values, "unannotated": unannotated}
    names = weighed_populations(folder)
    last = [one[-1] if one else None for one in read_weights(folder, names, 2)["of"]]
    shares_of = "weights" if any(one is not None for one in last) else None
    values = {"shares": last if shares_of else None, "shares_of": shares_of}
    return names, {**values, "unannotated": None}


def _members(folder: Path, record: RunRecord | None) -> list[Path]:
    """The folders of the trainings of a run: its own, or those of its repeats."""
    if record is not None and record.repeats is not None:
        return [folder / one["folder"] for one in record.repeats.get("members", [])]
    if RunFolder(folder).metrics.is_file():
        return [folder]
    repeats = [path.parent for path in folder.glob(f"seed_*/{RunFolder(folder).metrics.name}")]
    return sorted(repeats, key=lambda path: (len(path.name), path.name)) or [folder]


def _curves(folder: Path, record: RunRecord | None) -> Data:
    """The curve of a training; those of several one after the other, with a gap between them."""
    curves = [read_curve(path) for path in _members(folder, record)]
    joined = curves[0]
    for one in curves[1:]:
        joined = {key: [*joined[key], None, *one[key]] for key in joined}
    return joined


def heaviest_of(folder: Path, record: RunRecord | None) -> Path:
    """The training whose population weights are shown: of several, the heaviest."""
    members = _members(folder, record)
    if record is None or record.repeats is None or len(members) < 2:
        return members[0]
    weights = [one.get("weight") or 0 for one in record.repeats["members"]]
    return members[int(np.argmax(weights))]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))

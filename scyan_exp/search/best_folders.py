"""The folders of the best trials of a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from scyan_exp.search.constraints import Constraint, parse_constraints
from scyan_exp.search.description import read_description


def best_folders(sweep_dir: Path, n_best: int) -> list[Path]:
    """The folders of the completed trials with the best objectives, best first.

    Args:
        sweep_dir: the folder of a search.
        n_best: how many.

    Raises:
        InputError: it is no search with one objective, or has fewer completed trials.
    """
    if not SweepFolder(sweep_dir).holds_search():
        raise InputError("best= needs a search, and this folder holds none", where=str(sweep_dir))
    described = read_description(sweep_dir)
    directions, constraints = described["directions"], parse_constraints(described["constraints"])
    if len(directions) != 1:
        reason = f"best= needs one objective, this search has {len(directions)}: name its trials"
        raise InputError(reason, where=str(sweep_dir))
    jobs = [one.path for one in SweepFolder(sweep_dir).job_folders()]
    found = {path: value for path in jobs if (value := _value(path, constraints)) is not None}
    if len(found) < n_best:
        kept = " and keep the constraints" if constraints else ""
        reason = f"best={n_best}: only {len(found)} trials are completed{kept}"
        raise InputError(reason, where=str(sweep_dir))
    return sorted(found, key=found.__getitem__, reverse=directions[0] == "maximize")[:n_best]


def _value(folder: Path, constraints: Sequence[Constraint]) -> float | None:
    """The objective of a completed trial that keeps the constraints."""
    record = RunRecord.read(folder)
    if record is None or record.status != Outcome.COMPLETED:
        return None
    if any(one.violation(record.metrics) > 0 for one in constraints):
        return None
    return None if isinstance(record.objective, list) else record.objective

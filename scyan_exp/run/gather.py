"""Finding the completed trainings in folders of runs, sweeps and searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scyan_exp.errors import InputError, near_matches
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_run import Run
from scyan_exp.run.record import RunRecord


def completed_trainings(folders: Sequence[Path]) -> list[RunRecord]:
    """The records of the completed trainings in folders, each training once.

    Args:
        folders: folders of runs, sweeps and searches. A run with repeats stands for its repeats,
            and a consensus for its members.

    Raises:
        InputError: everything that is wrong with the folders.
    """
    found: dict[Path, RunRecord] = {}
    problems: list[str] = []
    for folder in folders:
        try:
            for record in _completed(folder):
                found.setdefault(record.folder.resolve(), record)
        except InputError as error:
            problems += [_located(error, text) for text in error.problems]
    if problems:
        raise InputError(problems)
    return list(found.values())


def _completed(folder: Path) -> list[RunRecord]:
    if not folder.is_dir():
        beside = [one.name for one in folder.parent.iterdir()] if folder.parent.is_dir() else []
        hint = near_matches(folder.name, beside)
        expected = "expected that of a run, a sweep or a search"
        raise InputError(f"no such folder; {expected}.{hint}", where=str(folder))
    trainings = [one for run in _runs(folder) for one in _trainings(run)]
    completed = [one for one in trainings if one.status == Outcome.COMPLETED]
    if completed:
        return completed
    states = ", ".join(dict.fromkeys(str(one.status) for one in trainings)) or "not run"
    raise InputError(f"no completed run in it (found: {states})", where=str(folder))


def _runs(folder: Path) -> list[Path]:
    if RunRecord.read(folder) is not None:
        return [folder]
    jobs = [one.path for one in SweepFolder(folder).job_folders()]
    if not jobs and not SweepFolder(folder).holds_sweep():
        reason = "neither a run nor a sweep: there are no result.json and no jobs in it"
        raise InputError(reason, where=str(folder))
    return [one for one in jobs if RunRecord.read(one) is not None]


def _trainings(folder: Path) -> list[RunRecord]:
    """The trainings of a run: itself, its repeats, or the members of a consensus."""
    run = Run(folder)
    members = run.repeats if run.has_repeats else [run]
    return [one.record for one in members]


def _located(error: InputError, text: str) -> str:
    return f"{error.where}: {text}" if error.where else text

"""``scyan-exp resume``: what is missing of a sweep or a search."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, refuse, set_environment
from scyan_exp.cli.train import task, train
from scyan_exp.errors import InputError
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.job import JobFailed


def resume(arguments: list[str]) -> int:
    """Go on with a sweep: ``resume FOLDER [key=value of hydra.launcher ...]``."""
    set_environment()
    from scyan_exp.search.resume import search_arguments

    if not arguments or arguments[0].startswith("-"):
        return refuse("usage: scyan-exp resume FOLDER_OF_THE_SWEEP [devices=... retries=... ...]")
    try:
        of_search = search_arguments(Path(arguments[0]), arguments[1:])
    except InputError as error:
        return refuse(error)
    if of_search is not None:  # the same command into the same folder
        return train(of_search)
    return exit_code(lambda: _resume(Path(arguments[0]), arguments[1:]))


def _resume(folder: Path, changes: list[str]) -> None:
    """The jobs that are missing; of a sweep over a table's entries also what they did."""
    from scyan_exp.fleet.resume import resume_sweep

    try:
        resume_sweep(folder, changes, task())
    except JobFailed:
        _report_entries(folder)
        raise
    _report_entries(folder)


def _report_entries(folder: Path) -> None:
    """Of a sweep over a table's entries what they did; nothing is imported for others."""
    if SweepFolder(folder).entries.is_file():
        from scyan_exp.entries.report import report_entries

        report_entries(folder)


COMMAND = Command(
    "resume",
    "go on with a sweep of the fleet launcher, or a search, that was cut off",
    resume,
    (("resume outputs/sweeps/2026-11-22_10-15-00", "what is missing of a sweep or search"),),
)

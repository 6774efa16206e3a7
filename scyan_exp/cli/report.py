"""``scyan-exp report``: the page of a run, a sweep or a search."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, refuse, set_environment

USAGE = "usage: scyan-exp report FOLDER [FOLDER ...]"


def report(arguments: list[str]) -> int:
    """Write ``report.html`` into folders of runs and sweeps: ``report FOLDER ...``."""
    set_environment()
    if not arguments or any(one.startswith("-") for one in arguments):
        return refuse(USAGE)
    return max(exit_code(partial(_write, Path(one))) for one in arguments)


def _write(folder: Path) -> None:
    from scyan_exp.report.write import write_report

    print(write_report(folder), flush=True)


COMMAND = Command(
    "report",
    "write report.html of a run, a sweep or a search: one page that opens from disk",
    report,
    (("report outputs/sweeps/2026-11-22_10-15-00", "a sweep or search as one page"),),
    usage=USAGE,
    options={
        "FOLDER": "folders of runs, sweeps or searches; report.html is written into each",
    },
)

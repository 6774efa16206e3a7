"""Writing the page of a folder into it."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.files import write_text
from scyan_exp.report.page import render_run, render_sweep
from scyan_exp.run.folder import RunFolder, SweepFolder


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a run, a sweep or a search; return where it is.

    Raises:
        InputError: there is neither in this folder, a newer version of the program wrote it, or
            the page cannot be written there.
    """
    if not folder.is_dir():
        reason = "no such folder; expected that of a run, a sweep or a search"
        raise InputError(reason, where=str(folder))
    is_sweep = SweepFolder(folder).holds_sweep() and not RunFolder(folder).result.is_file()
    page = render_sweep(folder) if is_sweep else render_run(folder)
    path = SweepFolder(folder).report if is_sweep else RunFolder(folder).report
    try:
        write_text(path, page, durable=False)
    except OSError as error:
        reason = (
            f"the report cannot be written ({error.strerror or error}): make room in the folder"
        )
        raise InputError(f"{reason}, or copy it to where you may write", str(path)) from error
    return path

"""``cleaned.json``: what ``scyan-exp clean`` removed from the folder of a run, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from scyan_exp.documents import read_json
from scyan_exp.files import write_json
from scyan_exp.run.folder import FORMAT, RunFolder


def note_cleaned(folder: Path, files: Sequence[Path]) -> None:
    """Note what is about to be removed from a folder, after what was removed earlier.

    Args:
        folder: the folder of a run or of a repeat.
        files: the files to be removed.
    """
    names = [str(path.relative_to(folder)) for path in files]
    names = list(dict.fromkeys([*_removed(folder), *names]))
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    write_json(RunFolder(folder).cleaned, {"format": FORMAT, "when": when, "files": names})


def why_gone(folder: Path, path: Path | None = None) -> str:
    """Why a file is gone, if a cleaning removed it; else "".

    Args:
        folder: the folder of a run or of a repeat.
        path: the file; None for the model.
    """
    own = RunFolder(folder)
    wanted = str((path or own.best).relative_to(folder))
    if wanted not in _removed(folder):
        return ""
    day = str(_values(folder).get("when", ""))[:10]
    again = "to train it again, delete result.json there and resume the sweep"
    return f"scyan-exp clean removed it on {day}; {again}"


def _removed(folder: Path) -> list[str]:
    files = _values(folder).get("files")
    return [str(one) for one in files] if isinstance(files, list) else []


def _values(folder: Path) -> dict[str, object]:
    try:
        values = read_json(RunFolder(folder).cleaned)
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}

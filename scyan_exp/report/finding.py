"""The runs, sweeps and searches below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from scyan_exp.documents import read_json
from scyan_exp.run.folder import RunFolder, SweepFolder


class Kind(StrEnum):
    """What a folder holds."""

    RUN = "run"
    SWEEP = "sweep"
    SEARCH = "search"
    CONSENSUS = "consensus"


def kind_of(folder: Path) -> Kind | None:
    """What a folder holds; None if it is none of these."""
    sweep, run = SweepFolder(folder), RunFolder(folder)
    if sweep.holds_search():
        return Kind.SEARCH
    if sweep.holds_sweep():
        return Kind.SWEEP
    if run.config.is_file():
        return Kind.RUN
    if run.result.is_file():
        return Kind.CONSENSUS if _has_members(run.result) else Kind.RUN
    return None


def find(folder: Path) -> Iterator[tuple[Kind, Path]]:
    """What lies in a folder and below it. Links to folders are not followed.

    A job stands for its sweep, and a repeat for its run: they are not found on their own.
    """
    kind = kind_of(folder)
    if kind is not None:
        yield kind, folder
    for child in _folders(folder):
        if kind is None:
            yield from find(child)
        elif kind_of(child) == Kind.CONSENSUS:  # of what lies in this folder
            yield Kind.CONSENSUS, child


def _has_members(result: Path) -> bool:
    """Whether a record without a config is that of a consensus."""
    try:
        values = read_json(result)
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("repeats") is not None


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as children:
            found = [one.name for one in children if one.is_dir(follow_symlinks=False)]
    except OSError:  # not ours to read
        return []
    return [folder / name for name in sorted(found) if not name.startswith(".")]

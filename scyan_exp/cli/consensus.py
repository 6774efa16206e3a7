"""``scyan-exp consensus``: one annotation out of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, refuse, set_environment
from scyan_exp.errors import InputError
from scyan_exp.terminal import lines_on_terminal

USAGE = "usage: scyan-exp consensus FOLDER [FOLDER ...] [best=K] [out=FOLDER]"
#: Where the consensus goes, in the first of the folders.
DEFAULT = "consensus"


def consensus(arguments: list[str]) -> int:
    """Combine completed runs: ``consensus FOLDER ... [best=K] [out=FOLDER]``."""
    set_environment()
    options = [one for one in arguments if one.startswith(("best=", "out="))]
    paths = [Path(one) for one in arguments if one not in options]
    if not paths or any(str(one).startswith("-") for one in paths):
        return refuse(USAGE)
    given = dict(one.split("=", 1) for one in options)
    return exit_code(lambda: _combine(paths, given.get("best"), given.get("out")))


def _combine(paths: Sequence[Path], best: str | None, out: str | None) -> None:
    from scyan_exp.run.consensus_of import consensus_of

    folders = paths if best is None else _best(paths, best)
    with lines_on_terminal():
        consensus_of(folders, paths[0] / DEFAULT if out is None else Path(out))


def _best(paths: Sequence[Path], best: str) -> list[Path]:
    """Of each search its best trials; other folders as they are."""
    from scyan_exp.run.folder import SweepFolder
    from scyan_exp.search.best_folders import best_folders

    if not best.isdecimal() or int(best) == 0:
        raise InputError(f"best: expected a number of trials, found {best!r}")
    searches = [one for one in paths if SweepFolder(one).holds_search()]
    if not searches:
        raise InputError(f"best={best}: expected the folder of a search among those named")
    chosen: list[Path] = []
    for path in paths:
        chosen += best_folders(path, int(best)) if path in searches else [path]
    return chosen


COMMAND = Command(
    "consensus",
    "combine completed runs, sweeps or the best of a search into one annotation",
    consensus,
    (("consensus outputs/sweeps/2026-11-22_10-15-00 best=5", "of the best five trials"),),
    usage=USAGE,
    options={
        "FOLDER": "folders of completed runs, of sweeps or of searches",
        "best=K": "of each search, its best K trials alone",
        "out=FOLDER": "where the consensus goes; consensus/ in the first folder by default",
    },
)

"""``scyan-exp sync``: upload the offline W&B runs of a sweep."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, read_options
from scyan_exp.errors import InputError
from scyan_exp.run.job import JobFailed

USAGE = "usage: scyan-exp sync FOLDER [n_parallel=4]"
#: Runs left whose names are shown.
SHOWN = 10


def sync(arguments: list[str]) -> int:
    """Upload all offline runs in a folder: ``sync FOLDER [n_parallel=4]``."""
    return exit_code(lambda: _sync(arguments))


def _sync(arguments: list[str]) -> None:
    folders, given = read_options(arguments, ("n_parallel",), USAGE)
    if len(folders) != 1:
        raise InputError(USAGE)
    n_parallel = given.get("n_parallel", "4")
    if not n_parallel.isdecimal() or int(n_parallel) == 0:
        raise InputError(f"n_parallel: expected a number of runs, found {n_parallel!r}")
    from scyan_exp.run.uploading import offline_runs, require_server, upload

    folder = Path(folders[0])
    before = offline_runs(folder)
    print(
        f"{len(before)} runs: {len(before.uploaded)} uploaded earlier, {len(before.left)} to "
        f"upload, {len(before.running)} still running",
        flush=True,
    )
    if before.left:
        require_server()
        upload(before.left, int(n_parallel))
    now = offline_runs(folder)
    print(f"{len(now.uploaded)} of {len(now)} runs are uploaded", flush=True)
    if now.left:
        names = [f"  {path.parent.relative_to(folder)}" for path in now.left[:SHOWN]]
        more = [f"  ... ({len(now.left)} in all)"] if len(now.left) > SHOWN else []
        again = f"To go on: scyan-exp sync {folder}"
        head = f"{len(now.left)} runs are left, and stay where they are:"
        raise JobFailed("\n".join([head, *names, *more, again]))


COMMAND = Command(
    "sync",
    "upload the offline W&B runs of a sweep, several at a time",
    sync,
    (("sync outputs/sweeps/2026-11-22_10-15-00", "goes on where it was cut off"),),
    usage=USAGE,
    options={
        "FOLDER": "the sweep, or any folder with offline runs of W&B",
        "n_parallel=4": "how many runs are uploaded at a time",
    },
)

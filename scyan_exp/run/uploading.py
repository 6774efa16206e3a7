"""Uploading the offline W&B runs in a folder, with ``wandb sync``."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scyan_exp.errors import InputError, near_matches
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord

#: How many runs one ``wandb sync`` gets, as a command line has a limit.
AT_ONCE = 200
#: A file that was written less than this many seconds ago, by a run that still runs, is left until
#: that has ended: W&B marks a file as uploaded and would never upload the rest of it.
RECENT_SECONDS = 120.0
#: Seconds for which W&B may still write after the record says that the run has ended.
ENDING_SECONDS = 2.0
#: Seconds that the server may take to answer.
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Runs:
    """The offline W&B runs in a folder, by their files, which W&B calls transaction logs.

    Attributes:
        uploaded: the ones that W&B has marked as uploaded.
        left: the ones to upload.
        running: the ones that are still being written.
    """

    uploaded: list[Path] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    running: list[Path] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.uploaded) + len(self.left) + len(self.running)


def offline_runs(folder: Path) -> Runs:
    """The offline W&B runs of a run, a sweep or a search, and of their repeats.

    Raises:
        InputError: there is no such folder, or there is no offline run in it.
    """
    if not folder.is_dir():
        beside = [one.name for one in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise InputError(f"no such folder.{near_matches(folder.name, beside)}", where=str(folder))
    runs = Runs()
    for path in _files(folder):
        if path.with_suffix(".wandb.synced").exists():
            runs.uploaded.append(path)
        elif _is_running(path):
            runs.running.append(path)
        else:
            runs.left.append(path)
    if not len(runs):
        reason = "there are no offline runs of W&B in it: were they run with logger=wandb?"
        raise InputError(reason, where=str(folder))
    return runs


def upload(files: Sequence[Path], n_parallel: int) -> None:
    """Upload runs, several at a time. W&B marks each that it has, even if a later one fails."""
    for start in range(0, len(files), AT_ONCE):
        some = [str(path) for path in files[start : start + AT_ONCE]]
        command = [sys.executable, "-m", "wandb", "sync", "-n", str(n_parallel), *some]
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL)


def require_server() -> None:
    """Make sure that there is a key for W&B, and that its server answers.

    ``wandb sync`` itself would try for hours.

    Raises:
        InputError: there is no key, or no answer.
    """
    import wandb

    address = str(wandb.setup().settings.base_url)
    if not wandb.login(prompt=False, verify=False):
        raise InputError(
            "nobody is logged in to W&B, so nothing can be uploaded: run `wandb login` first. "
            "The runs stay where they are"
        )
    try:
        urllib.request.urlopen(address, timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return  # the server answers
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{address} does not answer ({reason}), so nothing can be uploaded: try again where "
            "there is a network. The runs stay where they are"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    pattern = f"{RunFolder(Path()).wandb}/offline-run-*/run-*.wandb"
    yield from sorted({*folder.glob(pattern), *folder.glob(f"**/{pattern}")})


def _is_running(path: Path) -> bool:
    age = time.time() - path.stat().st_mtime
    record = RunRecord.read(path.parents[2])
    if record is None or record.status != Outcome.RUNNING:
        time.sleep(max(0.0, ENDING_SECONDS - age))
        return False
    return age < RECENT_SECONDS

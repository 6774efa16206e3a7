"""Reading back what W&B writes offline."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

from wandb.util import get_core_path

#: What the command ``wandb`` starts for this, without its import of W&B.
WANDB = get_core_path()


def wandb_file(folder: Path) -> Path:
    """The transaction log of the one W&B run of a run folder."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return path


@functools.cache  # of runs that have ended
def inspect(path: Path, *options: str) -> str:
    where = ["--run-file", str(path), str(path.parents[1])]
    command = [WANDB, "leet", "inspect", "--no-observability", *options, "--json", *where]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def records(folder: Path) -> list[dict]:
    """What was written of the run of a folder, in order."""
    return [json.loads(line) for line in inspect(wandb_file(folder)).splitlines()]


def summary(folder: Path) -> dict:
    """Config, name and last values of the run of a folder."""
    return json.loads(inspect(wandb_file(folder), "--summary"))


def table(folder: Path, name: str) -> tuple[list[str], list[list]]:
    """Columns and rows of a table that was logged."""
    file = wandb_file(folder).parent / "files" / summary(folder)["summary"][name]["path"]
    values = json.loads(file.read_text())
    return values["columns"], values["data"]


def column(folder: Path, name: str, wanted: str) -> list:
    columns, rows = table(folder, name)
    return [row[columns.index(wanted)] for row in rows]

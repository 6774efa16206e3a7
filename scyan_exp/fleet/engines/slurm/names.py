"""The names of a sweep's Slurm jobs, by which Slurm is asked for these and for no others."""

from __future__ import annotations

import uuid
from pathlib import Path

from scyan_exp.files import write_text


def foremen_name(folder: Path) -> str:
    """The common name of the Slurm jobs that run the sweep's jobs.

    Args:
        folder: the folder within the sweep's for all that concerns Slurm.
    """
    path = folder / "name"
    if not path.is_file():
        write_text(path, f"scyan_exp-{uuid.uuid4().hex[:8]}")
    return path.read_text(encoding="utf-8").strip()


def launcher_name(folder: Path) -> str:
    """The name of the Slurm job that runs a detached launcher."""
    return f"{foremen_name(folder)}-launcher"

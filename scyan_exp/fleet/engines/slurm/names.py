"""The names of the Slurm jobs of a sweep, by which Slurm is asked for them and for no others."""

from __future__ import annotations

import uuid
from pathlib import Path

from scyan_exp.files import write_text


def foremen_name(folder: Path) -> str:
    """The name of all Slurm jobs that run jobs of the sweep.

    Args:
        folder: of the sweep's dealings with Slurm.
    """
    path = folder / "name"
    if not path.is_file():
        write_text(path, f"scyan_exp-{uuid.uuid4().hex[:8]}")
    return path.read_text(encoding="utf-8").strip()


def launcher_name(folder: Path) -> str:
    """The name of the Slurm job in which a detached launcher runs."""
    return f"{foremen_name(folder)}-launcher"

"""A run of several trainings: one a seed, and their consensus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scyan_exp.experiment import run
from scyan_exp.results.record import Value
from scyan_exp.results.tracking import RunIdentity
from scyan_exp.search.trial import RunningTrial


def run_all(
    config: Mapping[str, Any],
    folder: Path,
    identity: RunIdentity,
    *,
    continuing: bool = False,
    trial: RunningTrial | None = None,
) -> Value:
    """Run a config, with its repeats."""
    return run(config, folder, identity, continuing=continuing, trial=trial)

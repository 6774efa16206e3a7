"""The trainings that a run with repeats consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.run.folder import RunFolder


@dataclass(frozen=True)
class Repeat:
    """One training of a run with repeats: a run of its own.

    Attributes:
        seed: its seed.
        folder: its run folder.
        config: its config.
    """

    seed: int
    folder: Path
    config: dict[str, Any]

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.folder.name


def repeats_of(config: Mapping[str, Any], folder: Path) -> list[Repeat]:
    """The trainings that a run consists of; none when it is a single one.

    Args:
        config: the config of the run.
        folder: its run folder.
    """
    n_repeats, first = config["repeats"], config["seed"]
    if n_repeats == 1:
        return []
    return [
        Repeat(seed, RunFolder(folder).repeat(seed).path, {**config, "repeats": 1, "seed": seed})
        for seed in range(first, first + n_repeats)
    ]

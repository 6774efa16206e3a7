"""The trainings that a run with repeats consists of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scyan_exp.config.schema import RunConfig
from scyan_exp.run.folder import RunFolder

#: Every so many repeats, one starts at random where the others start from the same function:
#: else they might share an error, and agree on it. ``docs/consensus.md`` has what was measured.
ANOTHER_START = 5


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
    config: RunConfig

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.folder.name


def repeats_of(config: RunConfig, folder: Path) -> list[Repeat]:
    """The trainings that a run consists of; none when it is a single one.

    Args:
        config: the config of the run.
        folder: its run folder.
    """
    if config.repeats == 1:
        return []
    seeds = range(config.seed, config.seed + config.repeats)
    return [
        Repeat(seed, RunFolder(folder).repeat(seed).path, _config_of(config, seed))
        for seed in seeds
    ]


def _config_of(config: RunConfig, seed: int) -> RunConfig:
    """The config of one repeat: another seed, and of the fifth, tenth, ... another start."""
    own = config.repeat(seed)
    starts_elsewhere = (seed - config.seed + 1) % ANOTHER_START == 0
    is_shared = config.model.init == "identity"
    return own.with_model(init="reference") if starts_elsewhere and is_shared else own

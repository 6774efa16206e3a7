"""The repeats of a run: trainings that differ in the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.config.schema import RunConfig
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from scyan_exp.run.spread import spread

#: One in this many repeats starts at random, while the others start from the same function:
#: otherwise all might share an error and agree on it. ``docs/consensus.md`` has the measurements.
ANOTHER_START = 5


@dataclass(frozen=True)
class Repeat:
    """A repeat of a run, which has a run folder of its own.

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
        """What tells it from the other repeats."""
        return self.folder.name

    @property
    def finished(self) -> RunRecord | None:
        """Its record, once it is completed."""
        ended = RunRecord.read_ended(self.folder, self.config)
        return ended if ended is not None and ended.status == Outcome.COMPLETED else None


def repeats_of(config: RunConfig, folder: Path) -> list[Repeat]:
    """The repeats of a run; none for a single run.

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
    """The config of a repeat: another seed and, for the fifth, tenth, ..., another start."""
    own = config.repeat(seed)
    starts_elsewhere = (seed - config.seed + 1) % ANOTHER_START == 0
    is_shared = config.model.init == "identity"
    return own.with_model(init="reference") if starts_elsewhere and is_shared else own


def finished_values(repeats: Sequence[Repeat]) -> list[float]:
    """The objectives of the completed repeats, in order; empty with several objectives."""
    records = [one.finished for one in repeats]
    values = [one.objective for one in records if one is not None]
    return [one for one in values if isinstance(one, (int, float))]


def end_decided(record: RunRecord, repeats: Sequence[Repeat], objective: str | list[str]) -> None:
    """Write the record of a run whose search wants no more repeats: means of those it has."""
    finished = [(repeat.seed, one) for repeat in repeats if (one := repeat.finished) is not None]
    seeds, records = [seed for seed, _ in finished], [one for _, one in finished]
    mean, std = spread([one.metrics for one in records])
    record.epochs = sum(one.epochs for one in records)
    record.fit_seconds = sum(one.fit_seconds for one in records)
    missing = [one.seed for one in repeats if one.seed not in seeds]
    record.repeats = {"std": std, "finished": seeds, "missing": missing}
    record.end(Outcome.PRUNED, mean, objective)

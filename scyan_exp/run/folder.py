"""The folders of runs and sweeps: the name of every file in them, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.files import write_text


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run; ``docs/`` lists what each file holds."""

    path: Path

    @property
    def result(self) -> Path:
        """The record, see :class:`~scyan_exp.run.record.RunRecord`."""
        return self.path / "result.json"

    @property
    def config(self) -> Path:
        """The resolved config."""
        return self.hydra / "config.yaml"

    @property
    def hydra(self) -> Path:
        """Config, Hydra's own config, and overrides; workers read their job here.

        It is here whatever ``hydra.output_subdir`` says.
        """
        return self.path / ".hydra"

    @property
    def hydra_config(self) -> Path:
        """Hydra's own part of the config."""
        return self.hydra / "hydra.yaml"

    @property
    def overrides(self) -> Path:
        """The overrides of the command line."""
        return self.hydra / "overrides.yaml"

    @property
    def best(self) -> Path:
        """Checkpoint of the best epoch."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def annotated(self) -> Path:
        """The annotated cells."""
        return self.path / "annotated.h5ad"

    @property
    def population_weights(self) -> Path:
        """Weights of the populations, a row an epoch."""
        return self.path / "population_weights.csv"

    @property
    def metrics(self) -> Path:
        """Lightning's log."""
        return self.path / "metrics.csv"

    @property
    def figures(self) -> Path:
        """The folder of the figures."""
        return self.path / "figures"

    @property
    def log(self) -> Path:
        """The log of this run alone."""
        return self.path / "train.log"

    def repeat(self, seed: int) -> RunFolder:
        """The folder of one of several trainings."""
        return RunFolder(self.path / f"seed_{seed}")

    def write_config(
        self,
        config: Mapping[str, Any],
        hydra: Mapping[str, Any] | None = None,
        overrides: Sequence[Any] | None = None,
        *,
        durable: bool = True,
    ) -> None:
        """Write the config of a run.

        Args:
            config: the resolved config.
            hydra: Hydra's own part of it, under the key ``hydra``; None leaves its file alone.
            overrides: of the command line; None leaves their file alone.
            durable: whether the files survive the end of the machine, too.
        """
        parts = {self.config: config, self.hydra_config: hydra, self.overrides: overrides}
        for path, part in parts.items():
            if part is not None:
                write_text(path, OmegaConf.to_yaml(part), durable)


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep or a search."""

    path: Path

    @property
    def table(self) -> Path:
        """A row a job."""
        return self.path / "sweep.csv"

    @property
    def manifest(self) -> Path:
        """The jobs, and the settings of the launcher: what a resume reads."""
        return self.path / "sweep.json"

    @property
    def search(self) -> Path:
        """What the search is, in the folder of a search."""
        return self.path / "study.json"

    @property
    def journal(self) -> Path:
        """The storage of a search that names no other."""
        return self.path / "study.journal"

    @property
    def multirun(self) -> Path:
        """The config of the command, as Hydra writes it."""
        return self.path / "multirun.yaml"

    @property
    def lock(self) -> Path:
        """Locked by the process that runs the jobs."""
        return self.path / ".lock"

    def holds_search(self) -> bool:
        """Whether this is the folder of a search."""
        return self.search.is_file()

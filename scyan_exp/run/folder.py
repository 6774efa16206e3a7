"""The folders of runs and sweeps: the names of all their files, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.errors import InputError
from scyan_exp.files import write_text
from scyan_exp.run.journal import journal_of

#: The format of files that this version writes; a file that names none has format 1.
FORMAT = 4
#: The page of a run or a sweep.
REPORT = "report.html"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run.

    Attributes:
        path: its path.
    """

    path: Path

    @property
    def result(self) -> Path:
        """The record, see :class:`~scyan_exp.run.record.RunRecord`."""
        return self.path / "result.json"

    @property
    def hydra(self) -> Path:
        """The folder of the config; a worker reads there what to run."""
        return self.path / ".hydra"

    @property
    def config(self) -> Path:
        """The config as it was checked, interpolations resolved."""
        return self.hydra / "config.yaml"

    @property
    def hydra_config(self) -> Path:
        """Hydra's own part of the config."""
        return self.hydra / "hydra.yaml"

    @property
    def overrides(self) -> Path:
        """What was typed to get this config: a list of ``key=value``."""
        return self.hydra / "overrides.yaml"

    @property
    def began(self) -> Path:
        """There as long as a process of Ray runs the job: it says that the job has begun."""
        return self.hydra / "began"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch: the model that annotates."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch, from which a run that was cut off goes on."""
        return self.checkpoints / "last.ckpt"

    @property
    def refined(self) -> RunFolder:
        """The folder of the refined model: its checkpoints and metrics, as in a run's folder."""
        return RunFolder(self.path / "refined")

    @property
    def annotated(self) -> Path:
        """The cells with their annotation."""
        return self.path / "annotated.h5ad"

    @property
    def population_weights(self) -> Path:
        """The weights of the populations, a row per epoch."""
        return self.path / "population_weights.csv"

    @property
    def metrics(self) -> Path:
        """What was measured during the training, as Lightning writes it."""
        return self.path / "metrics.csv"

    @property
    def biomarkers(self) -> Path:
        """Intensities, a row per sample, population and marker; with ``biomarkers.sample_key``."""
        return self.path / "biomarkers.csv"

    @property
    def populations(self) -> Path:
        """Counts and shares, a row per sample and population; with ``biomarkers.sample_key``."""
        return self.path / "populations.csv"

    @property
    def groups(self) -> Path:
        """Differences between groups of samples; with ``biomarkers.group_key``."""
        return self.path / "groups.csv"

    def of_samples(self) -> tuple[Path, Path, Path]:
        """The files that exist only if samples were measured."""
        return self.populations, self.biomarkers, self.groups

    @property
    def figures(self) -> Path:
        """The folder of the figures, one PNG each."""
        return self.path / "figures"

    @property
    def log(self) -> Path:
        """The log of this run alone."""
        return self.path / "train.log"

    @property
    def cleaned(self) -> Path:
        """What ``scyan-exp clean`` removed from the folder; exists only then."""
        return self.path / "cleaned.json"

    @property
    def wandb(self) -> Path:
        """The folder of the W&B run."""
        return self.path / "wandb"

    @property
    def report(self) -> Path:
        """The page of this run, if it was asked for."""
        return self.path / REPORT

    def repeat(self, seed: int) -> RunFolder:
        """The folder of one repeat."""
        return RunFolder(self.path / f"seed_{seed}")

    def write_config(
        self,
        config: Mapping[str, Any],
        hydra: Mapping[str, Any] | None = None,
        overrides: Sequence[Any] | None = None,
        *,
        durable: bool = True,
    ) -> None:
        """Write the config of a run, unless the files hold it already.

        Args:
            config: the resolved config.
            hydra: Hydra's own part, under the key ``hydra``; None leaves its file as it is.
            overrides: what was typed; None leaves the file as it is.
            durable: whether the files must survive a crash of the machine.
        """
        parts = {self.config: config, self.hydra_config: hydra, self.overrides: overrides}
        for path, part in parts.items():
            text = None if part is None else OmegaConf.to_yaml(part)
            if text is not None and not _holds(path, text):
                write_text(path, text, durable)


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep or a search.

    Attributes:
        path: its path.
    """

    path: Path

    @property
    def table(self) -> Path:
        """The table of the jobs, a row each."""
        return self.path / "sweep.csv"

    @property
    def slurm(self) -> Path:
        """What launcher and Slurm jobs tell each other, and their logs; exists only on Slurm."""
        return self.path / ".slurm"

    @property
    def manifest(self) -> Path:
        """The jobs and the settings of the launcher: what ``scyan-exp resume`` reads."""
        return self.path / "sweep.json"

    @property
    def new_rows(self) -> Path:
        """Rows that are not in the table yet; exists while jobs run."""
        return journal_of(self.table)

    @property
    def new_jobs(self) -> Path:
        """Trials that are not in the list of jobs yet; exists while a search runs."""
        return journal_of(self.manifest)

    @property
    def search(self) -> Path:
        """The description of a search; only the folder of a search has it."""
        return self.path / "study.json"

    @property
    def journal(self) -> Path:
        """The trials of a search without another storage."""
        return self.path / "study.journal"

    @property
    def importances(self) -> Path:
        """How much each parameter of a search mattered."""
        return self.path / "importances.csv"

    @property
    def entries(self) -> Path:
        """The edits of the table; only a sweep over its entries has them."""
        return self.path / "table_entries.json"

    @property
    def entries_table(self) -> Path:
        """The effect of each edit of the table."""
        return self.path / "table_entries.csv"

    @property
    def figures(self) -> Path:
        """The folder of the figures, one PNG each."""
        return self.path / "figures"

    @property
    def artifacts(self) -> Path:
        """The figures of a search's trials, in the form that optuna-dashboard takes."""
        return self.path / "artifacts"

    def experiments(self, name: str) -> list[Path]:
        """The file of one of the best trials: its path, and the path where Hydra looks for it."""
        return [folder / f"{name}.yaml" for folder in self.locked_folders()]

    def locked_folders(self) -> tuple[Path, Path]:
        """Where only the process that runs the jobs writes: the folder, and that of experiments."""
        return self.path, self.path / "experiment"

    def best_experiments(self) -> list[Path]:
        """The files of the best trials that exist."""
        found = [path for folder in self.locked_folders() for path in folder.glob("best*.yaml")]
        return [path for path in found if re.fullmatch(r"best(_\d+)?", path.stem)]

    @property
    def report(self) -> Path:
        """The page of the sweep."""
        return self.path / REPORT

    @property
    def multirun(self) -> Path:
        """The config of the command, as Hydra writes it."""
        return self.path / "multirun.yaml"

    @property
    def lock(self) -> Path:
        """The file that the process which runs the jobs has locked."""
        return self.path / ".lock"

    def holds_search(self) -> bool:
        """Whether this is the folder of a search."""
        return self.search.is_file()

    def holds_sweep(self) -> bool:
        """Whether this is the folder of a sweep or a search."""
        return self.manifest.is_file() or self.multirun.is_file()

    def job_folders(self) -> list[RunFolder]:
        """The folders of jobs in it, whichever launcher made them."""
        found = self.path.rglob(str(RunFolder(Path()).overrides))
        # A repeat is not a job: it lies in the folder of one.
        folders = {path.parents[1] for path in found}
        return [
            RunFolder(one)
            for one in sorted(folders, key=_by_number)
            if self.path in one.parents and not folders & set(one.parents)
        ]


def run_folder_of(path: str | Path) -> Path:
    """The folder of a run, given itself or one of the run's checkpoints.

    The checkpoints of the refined model have a folder of their own within the run's.

    Args:
        path: the folder, or a checkpoint in it; ``~`` is the home folder.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return path
    folder = path.absolute().parents[1] if len(path.absolute().parents) > 1 else path.parent
    is_refined = RunFolder(folder.parent).refined.path == folder
    return folder.parent if is_refined else folder


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def check_format(values: Mapping[str, Any], path: Path) -> int:
    """The format of a file; a file that names none has format 1.

    Raises:
        InputError: a newer version of the program wrote it.
    """
    found = values.get("format", 1)
    if not isinstance(found, int):
        raise InputError(f"format: expected a number, found {found!r}", where=str(path))
    if found > FORMAT:
        raise InputError(
            f"is of format {found}, this version reads up to {FORMAT}: update scyan_exp",
            where=str(path),
        )
    return found


def _by_number(folder: Path) -> tuple[float, str]:
    """A key that sorts 2 before 10."""
    return (int(folder.name) if folder.name.isdecimal() else float("inf"), str(folder))

"""The record of a run: ``result.json``."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scyan_exp.config.schema import RunConfig, objective_names
from scyan_exp.documents import read_json
from scyan_exp.errors import InputError, listed
from scyan_exp.files import remove_leftovers, sync, write_json
from scyan_exp.run.folder import FORMAT, RunFolder, SweepFolder, check_format
from scyan_exp.run.outcome import Outcome

#: Value of one objective, or of several.
Value = float | list[float]
#: The verdict on an annotation that should not be used. ``results.verdict`` has the word too, but
#: imports much that a sweep does not need.
DO_NOT_USE = "do not use"
#: How errors began in format 1 when a process was lost or timed out.
CAUSES_OF_FORMAT_1 = {"WorkerLost": Outcome.LOST, "TimedOut": Outcome.TIMED_OUT}


@dataclass
class RunRecord:
    """What a run did; written at its start and at its end, and always whole on disk.

    Attributes:
        folder: the run folder.
        config_hash: identifies the part of the config that decides the result.
        seed: seed of the run.
        status: ``running`` until the end.
        objective: value of the configured objective (a list of several), if completed.
        metrics: all computed metrics; when read from a file, None for a value that is not finite.
        epochs: epochs trained.
        fit_seconds: seconds spent in training.
        stopped_because: why the training ended; None for a run of several trainings.
        wandb_run_id: id of the W&B run, if there is one.
        error: what went wrong, if it failed.
        repeats: for a run with repeats: standard deviations, members and consensus.
        trust: the verdict on the annotation: verdict, reasons, populations, signs.
    """

    folder: Path
    config_hash: str
    seed: int
    status: Outcome = Outcome.RUNNING
    objective: Value | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    epochs: int = 0
    fit_seconds: float = 0.0
    stopped_because: str | None = None
    wandb_run_id: str | None = None
    error: str | None = None
    repeats: dict[str, Any] | None = None
    trust: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        """Whether the annotation can be used; "" if that was not judged."""
        return str((self.trust or {}).get("verdict", ""))

    @property
    def reasons(self) -> list[str]:
        """Why the annotation is not good."""
        return [str(one) for one in (self.trust or {}).get("reasons", ())]

    @classmethod
    def read(cls, folder: Path) -> RunRecord | None:
        """The record of a folder; None if there is none that can be read.

        Raises:
            InputError: a newer version of the program wrote it.
        """
        path = RunFolder(folder).result
        try:
            values = read_json(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        if not isinstance(values, dict) or not {"status", "config_hash", "metrics"} <= set(values):
            return None
        if check_format(values, path) == 1:
            values = _from_format_1(values)
        values.pop("format", None)
        try:
            values["status"] = Outcome(values["status"])
            return cls(folder=folder, **values)
        except (TypeError, ValueError):
            return None

    @classmethod
    def of_run(cls, folder: Path) -> RunRecord:
        """The record of a folder that must hold a run.

        Raises:
            InputError: it holds none, or a newer version of the program wrote it.
        """
        record = cls.read(folder)
        if record is None:
            raise InputError(_why_no_run(folder), where=str(folder))
        return record

    @classmethod
    def read_ended(cls, folder: Path, config: RunConfig) -> RunRecord | None:
        """The record of a folder, if it says that a run of this same config ended.

        Its ``objective`` is the one that ``config`` names, whichever it was in that run.
        """
        record = cls.read(folder)
        if record is None or record.config_hash != config.hash:
            return None
        if record.status == Outcome.PRUNED:
            return replace(record, objective=None)
        if record.status != Outcome.COMPLETED or not set(config.objectives) <= set(record.metrics):
            return None
        return replace(record, objective=objective_value(record.metrics, config.objective))

    @classmethod
    def has_cut_off(cls, folder: Path, config: RunConfig) -> bool:
        """Whether a folder holds a run of this same config that was cut off."""
        record = cls.read(folder)
        if record is None or record.config_hash != config.hash:
            return False
        return record.status.was_cut_off

    def write(self) -> None:
        """Write the record atomically; once the run has ended, it survives a crash of the machine.

        Before that, a power cut loses no more than the seconds since the start.
        """
        values = {name: value for name, value in vars(self).items() if name != "folder"}
        has_ended = self.status != Outcome.RUNNING
        write_json(RunFolder(self.folder).result, {"format": FORMAT, **values}, has_ended)

    def end(
        self, status: Outcome, metrics: Mapping[str, float], objective: str | list[str]
    ) -> Value | None:
        """Write the record of a run that has ended; returns its objective.

        Raises:
            InputError: the objective is not among the metrics.
        """
        self.status, self.metrics = status, dict(metrics)
        pruned = status == Outcome.PRUNED
        self.objective = None if pruned else objective_value(self.metrics, objective)
        course = RunFolder(self.folder).metrics
        if course.is_file():  # Lightning writes it without waiting for the disk
            sync(course)
        self.write()
        return self.objective

    def fail(self, status: Outcome, error: str | None) -> None:
        """Write that the run did not complete, and why."""
        self.status, self.error = status, error
        self.write()


def _from_format_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record in the format of the first versions, in today's words."""
    cause, _, error = str(values.get("error")).partition(": ")
    if values["status"] == "failed" and cause in CAUSES_OF_FORMAT_1:
        return {**values, "status": CAUSES_OF_FORMAT_1[cause], "error": error}
    return dict(values)


def _why_no_run(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder; expected that of a run"
    if RunFolder(folder).result.exists():
        return "no run: its result.json is damaged"
    if SweepFolder(folder).holds_sweep():
        return "this is the folder of a sweep; expected that of one of its jobs"
    return "no run: there is no result.json in it"


def objective_value(metrics: Mapping[str, float | None], objective: str | list[str]) -> Value:
    """The value of the objective, or a list of several values; NaN for one that is not finite.

    Raises:
        InputError: it was not computed.
    """
    names = objective_names(objective)
    absent = [name for name in names if name not in metrics]
    if absent:
        raise InputError(
            f"objective: {listed(absent)} was not computed; computed were {listed(metrics)}"
        )
    values = [math.nan if (value := metrics[name]) is None else float(value) for name in names]
    return values if isinstance(objective, list) else values[0]


@contextmanager
def recording(record: RunRecord) -> Iterator[None]:
    """Write the record, and again if the block ends with an error or an interruption."""
    try:
        record.write()
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        status = Outcome.INTERRUPTED if interrupted else Outcome.FAILED
        record.fail(status, f"{type(error).__name__}: {error}".strip(": "))
        raise


def clear_results(folder: Path) -> None:
    """Remove earlier results from a run folder: they must not stand beside another run's record."""
    own = RunFolder(folder)
    for path in (own.annotated, own.report, own.cleaned, *own.of_samples()):
        path.unlink(missing_ok=True)
    for one in (own.path, own.hydra, own.checkpoints):
        remove_leftovers(one)
    shutil.rmtree(own.figures, ignore_errors=True)


def clear_refined(folder: Path) -> None:
    """Remove the refined model of an earlier run; a run that goes on keeps its own."""
    shutil.rmtree(RunFolder(folder).refined.path, ignore_errors=True)


def clear_earlier(folder: Path) -> None:
    """As :func:`clear_results`; the earlier run's model and metrics go too."""
    clear_results(folder)
    clear_refined(folder)
    own = RunFolder(folder)
    shutil.rmtree(own.checkpoints, ignore_errors=True)
    for path in (own.metrics, own.population_weights):
        path.unlink(missing_ok=True)

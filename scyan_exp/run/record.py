"""The record of a run: ``result.json``."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scyan_exp.config.check import config_hash, objective_names
from scyan_exp.errors import InputError, listed
from scyan_exp.files import write_json

Status = Literal["running", "completed", "pruned", "interrupted", "failed"]
#: Value of one objective, or of several.
Value = float | list[float]

#: How the errors of runs begin whose process was taken away: nothing was wrong with them.
LOST, TIMED_OUT = "WorkerLost", "TimedOut"


@dataclass
class RunRecord:
    """What a run did; always whole on disk, written at its start and at its end.

    Attributes:
        folder: the run folder.
        config_hash: identifies the part of the config that decides the result.
        seed: seed of the run.
        status: ``running`` until the end.
        objective: value of the configured objective (a list of several), when completed.
        metrics: all metrics computed.
        epochs: epochs trained.
        fit_seconds: seconds spent in training.
        wandb_run_id: id of the W&B run, if there is one.
        error: what went wrong, when failed.
        repeats: of a run with repeats: standard deviations, members and consensus.
    """

    folder: Path
    config_hash: str
    seed: int
    status: Status = "running"
    objective: Value | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    fit_seconds: float = 0.0
    wandb_run_id: str | None = None
    error: str | None = None
    repeats: dict[str, Any] | None = None

    @property
    def path(self) -> Path:
        """The file ``result.json``."""
        return self.folder / "result.json"

    def write(self) -> None:
        """Write the record atomically."""
        values = {name: value for name, value in vars(self).items() if name != "folder"}
        write_json(self.path, values)

    def end(
        self, status: Status, metrics: dict[str, float], objective: str | list[str]
    ) -> Value | None:
        """Write the record of a run that has come to its end; return its objective.

        Raises:
            InputError: the objective is none of the metrics.
        """
        self.status, self.metrics = status, metrics
        self.objective = None if status == "pruned" else objective_value(metrics, objective)
        self.write()
        return self.objective

    @staticmethod
    def read(folder: Path) -> dict[str, Any] | None:
        """The values of a folder's record, or None if it has none that can be read."""
        path = folder / "result.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        known = isinstance(values, dict) and {"status", "config_hash", "metrics"} <= set(values)
        return values if known else None

    @staticmethod
    def read_ended(folder: Path, plain: dict[str, Any]) -> dict[str, Any] | None:
        """The record of a folder if it says that a run of this very config came to its end.

        Its ``objective`` is that of ``plain``, whatever it was then.
        """
        values = RunRecord.read(folder)
        if values is None or values["config_hash"] != config_hash(plain):
            return None
        if values["status"] == "pruned":
            return {**values, "objective": None}
        if values["status"] != "completed" or not set(objective_names(plain["objective"])) <= set(
            values["metrics"]
        ):
            return None
        return {**values, "objective": objective_value(values["metrics"], plain["objective"])}

    @staticmethod
    def was_cut_off(values: dict[str, Any]) -> bool:
        """Whether a record is that of a run that would have gone on."""
        was_lost = str(values.get("error")).startswith((LOST, TIMED_OUT))
        return values["status"] in ("running", "interrupted") or was_lost

    @staticmethod
    def has_cut_off(folder: Path, plain: dict[str, Any]) -> bool:
        """Whether a folder holds a run of this very config that was cut off."""
        values = RunRecord.read(folder)
        same = values is not None and values["config_hash"] == config_hash(plain)
        return same and RunRecord.was_cut_off(values)  # type: ignore[arg-type]  # not None: same

    @staticmethod
    def write_lost(folder: Path, error: str) -> None:
        """Say in the record of a run, if it had begun, that its process is gone."""
        values = RunRecord.read(folder)
        if values is not None and values["status"] == "running":
            write_json(folder / "result.json", {**values, "status": "failed", "error": error})


def objective_value(metrics: Mapping[str, float | None], objective: str | list[str]) -> Value:
    """The metric that is the objective, or a list of several; NaN for one without a finite value.

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
    """Write the record; an error or an interruption within the block ends up in it."""
    try:
        record.write()
        yield
    except BaseException as error:
        record.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        record.error = f"{type(error).__name__}: {error}".strip(": ")
        record.write()
        raise


def clear_results(folder: Path) -> None:
    """A run folder used again must not show the results of one run beside the record of another."""
    (folder / "annotated.h5ad").unlink(missing_ok=True)
    shutil.rmtree(folder / "figures", ignore_errors=True)

"""Which config is best, what each parameter does, and what is chance: the spread over seeds."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.report.numbers import rounded

Job = Mapping[str, Any]
#: The override that tells equal configs apart.
SEED = "seed"


@dataclass(frozen=True)
class Objective:
    """What is better.

    Attributes:
        name: the metric.
        direction: ``minimize`` or ``maximize``.
    """

    name: str
    direction: str

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that lower is better."""
        return -1 if self.direction == "maximize" else 1

    def of(self, job: Job) -> float | None:
        """Its value of a job that is completed; None if there is no finite one."""
        if job["outcome"] != "completed":
            return None
        value = job["metrics"].get(self.name)
        if value is None and not isinstance(job["objective"], list):
            value = job["objective"]
        return None if value is None or not math.isfinite(value) else float(value)


@dataclass(frozen=True)
class Group:
    """Jobs whose configs are equal but for the seed.

    Attributes:
        name: what they have in common.
        jobs: their numbers.
        values: the objective of each.
        sd: standard deviation of the trainings; None where there is only one.
        n_trainings: seeds, with those of repeats.
    """

    name: str
    jobs: list[int]
    values: list[float]
    sd: float | None
    n_trainings: int

    @property
    def mean(self) -> float:
        """The mean objective."""
        return float(np.mean(self.values))

    def to_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "name": self.name,
            "jobs": self.jobs,
            "values": self.values,
            "mean": self.mean,
            "sd": self.sd,
            "n": self.n_trainings,
        }


def best_first(jobs: Sequence[Job], objective: Objective) -> list[Job]:
    """The completed jobs, the best first."""
    valued = [(value, one) for one in jobs if (value := objective.of(one)) is not None]
    return [one for _, one in sorted(valued, key=lambda pair: objective.sign * pair[0])]


def name_of(job: Job, keys: Sequence[str]) -> str:
    """What tells a job from the others, such as ``model.prior_std=0.3 seed=1``."""
    given = job["overrides"]
    return " ".join(f"{key}={_text(given[key])}" for key in keys if key in given)


def groups_of(jobs: Sequence[Job], keys: Sequence[str], objective: Objective) -> list[Group]:
    """Completed jobs by their configs without the seed, the best mean first.

    Args:
        jobs: of the sweep.
        keys: the overrides in which they differ.
        objective: what is better.
    """
    members: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if objective.of(job) is not None:
            members[name_of(job, [key for key in keys if key != SEED])].append(job)
    found = [_group(name, some, objective) for name, some in members.items()]
    return sorted(found, key=lambda one: objective.sign * one.mean)


def _group(name: str, jobs: Sequence[Job], objective: Objective) -> Group:
    values = [value for job in jobs if (value := objective.of(job)) is not None]
    sd: float | None = None
    n_trainings = len(values)
    if len(values) > 1:
        sd = float(np.std(values, ddof=1))
    elif jobs[0]["repeats"] is not None:
        sd = jobs[0]["repeats"]["std"].get(objective.name)
        n_trainings = len(jobs[0]["repeats"]["members"])
    return Group(name, [int(job["number"]) for job in jobs], values, sd, n_trainings)


def pooled_sd(groups: Sequence[Group]) -> float | None:
    """The spread over seeds of equal configs, over all configs that have one."""
    parts = [(one.n_trainings - 1, one.sd) for one in groups if one.sd is not None]
    freedom = sum(n for n, _ in parts)
    return math.sqrt(sum(n * sd**2 for n, sd in parts) / freedom) if freedom else None


def front_of(jobs: Sequence[Job], objectives: Sequence[Objective]) -> list[int]:
    """The completed jobs that no other one beats in every objective: the Pareto front."""
    rows = [(job["number"], [one.of(job) for one in objectives]) for job in jobs]
    numbers = [number for number, values in rows if None not in values]
    if not numbers:
        return []
    signs = [one.sign for one in objectives]
    points = np.array([values for _, values in rows if None not in values], float) * signs
    beaten = [
        bool(((points <= one).all(axis=1) & (points < one).any(axis=1)).any()) for one in points
    ]
    return [number for number, is_beaten in zip(numbers, beaten, strict=True) if not is_beaten]


def effects_of(
    jobs: Sequence[Job], parameters: Sequence[str], objective: Objective
) -> list[dict[str, Any]]:
    """Of each parameter with repeated values: the share of the objective's variance it explains.

    That is eta squared: the variance of the means of its values, by the variance of all jobs.
    """
    found = []
    for parameter in parameters:
        by_value: dict[Any, list[float]] = defaultdict(list)
        for job, value in _valued(jobs, objective):
            by_value[_key(job["overrides"].get(parameter))].append(value)
        total = [value for values in by_value.values() for value in values]
        if len(by_value) < 2 or len(total) < 2 * len(by_value):
            continue
        means = [{"value": key, "mean": rounded(float(np.mean(v)), 6), "n": len(v)}
                 for key, v in by_value.items()]  # fmt: skip
        found.append({"parameter": parameter, "share": _eta_squared(by_value), "means": means})
    return sorted(found, key=lambda one: -one["share"])


def _eta_squared(by_value: Mapping[Any, Sequence[float]]) -> float:
    everything = np.concatenate([np.asarray(values, float) for values in by_value.values()])
    total = float(((everything - everything.mean()) ** 2).sum())
    between = sum(
        len(values) * (float(np.mean(values)) - everything.mean()) ** 2
        for values in by_value.values()
    )
    return float(between / total) if total > 0 else 0.0


def read_importances(path: Path) -> list[dict[str, Any]]:
    """The importances of a search, the largest first; none if it wrote no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["parameter"], float(row["importance"])) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error):
        return []
    return [{"parameter": n, "share": v, "means": []} for n, v in sorted(rows, key=lambda r: -r[1])]


def _valued(jobs: Sequence[Job], objective: Objective) -> Iterator[tuple[Job, float]]:
    for job in jobs:
        value = objective.of(job)
        if value is not None:
            yield job, value


def _key(value: Any) -> Any:
    return str(value) if isinstance(value, (list, dict)) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)

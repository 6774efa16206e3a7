"""Which runs are better: by the objective that they were trained for, or by a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.config.objectives import METRICS, Direction
from scyan_exp.config.overrides import bare_key
from scyan_exp.config.schema import objective_names
from scyan_exp.documents import read_yaml
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.record import RunRecord, Value
from scyan_exp.run.sweep_jobs import SweepJob
from scyan_exp.search.constraints import Constraint, parse_constraints
from scyan_exp.search.description import read_description

#: Overrides that can give jobs of one sweep different objectives.
DECIDES = ("objective", "experiment", "model")


@dataclass(frozen=True)
class Goal:
    """The objective of runs.

    Attributes:
        names: its metrics, one or several.
        directions: which way each of them is better.
        constraints: what a trial of a search must keep to be among the best.
    """

    names: tuple[str, ...]
    directions: tuple[Direction, ...]
    constraints: tuple[Constraint, ...] = ()

    def rank(self, value: Value | None) -> float:
        """A number that is lower for a better value; infinite where there is none.

        Of several objectives the first one counts.
        """
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, (int, float)) or not math.isfinite(first):
            return math.inf
        return -first if self.directions[0] == "maximize" else first

    def keeps_constraints(self, record: RunRecord) -> bool:
        """Whether a trial may be among the best."""
        return all(one.violation(record.metrics) <= 0 for one in self.constraints)


def goal_of_run(folder: Path) -> Goal | None:
    """The objective in the config of a run; None where it cannot be told."""
    config = yaml_if_readable(RunFolder(folder).config)
    given = config.get("objective") if isinstance(config, dict) else None
    if not isinstance(given, (str, list)):
        return None
    names = tuple(objective_names(given))
    known = [METRICS.get(name) for name in names]
    if not names or None in known:  # a metric of a package that is not installed now
        return None
    return Goal(names, tuple(one.direction for one in known if one is not None))


def goal_of_sweep(folder: Path, jobs: Sequence[SweepJob]) -> Goal | None:
    """What the jobs of a sweep have in common as their objective; None if they have nothing.

    Raises:
        InputError: the description of the search is damaged, or of a newer version.
    """
    if SweepFolder(folder).holds_search():
        described = read_description(folder)
        names = tuple(described["objectives"]) or ("objective",)  # of another program
        constraints = tuple(parse_constraints(described["constraints"]))
        return Goal(names, tuple(described["directions"]), constraints)
    one_of_each: dict[tuple[str, ...], Path] = {}
    for one in jobs:
        kind = _deciding(one)
        # A job that has not begun has no config there, and no value to rank.
        if one.folder and kind not in one_of_each and RunFolder(one.folder).config.is_file():
            one_of_each[kind] = one.folder
    goals = {goal_of_run(folder) for folder in one_of_each.values()}
    return goals.pop() if len(goals) == 1 else None


def yaml_if_readable(path: Path) -> Any:
    """What a YAML file holds; None where it is gone or damaged."""
    try:
        return read_yaml(path)
    except (OSError, ValueError):
        return None


def _deciding(job: SweepJob) -> tuple[str, ...]:
    return tuple(one for one in job.overrides if bare_key(one) in DECIDES)

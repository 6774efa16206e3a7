"""Shared by the tests of the schedule: jobs that an engine rehearses, and what became of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.running import run_source
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.fleet.source import SweepJobs
from scyan_exp.fleet.state import JobState
from tests.fleet.rehearsal import Rehearsal
from tests.fleet.units import job


def play(
    folder: Path, engine: Rehearsal, jobs: Sequence[Job] | int = 4, **settings: object
) -> list[JobState]:
    """Run jobs, or so many that leave no record, with settings of the launcher."""
    if isinstance(jobs, int):
        jobs = [job(i, folder / str(i)) for i in range(jobs)]
    source, fleet = SweepJobs(jobs, write=lambda job: None), FleetSettings.model_validate(settings)
    states, _ = run_source(source, engine, fleet, folder, states=source.states)
    assert [row["status"] for row in table(folder)] == statuses(states)
    return states


def statuses(states: Sequence[JobState]) -> list[str]:
    return [state.status for state in states]


def table(folder: Path) -> list[dict[str, str]]:
    """``sweep.csv``."""
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))

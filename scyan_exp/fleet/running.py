"""Running the jobs of a source from the first to the last, with a table and a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.files import UNWRITABLE
from scyan_exp.fleet.engines.base import Engine
from scyan_exp.fleet.observer import Observers
from scyan_exp.fleet.progress import Progress
from scyan_exp.fleet.repeats import WithRepeats
from scyan_exp.fleet.schedule import Policy, Schedule
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.fleet.signals import on_signal
from scyan_exp.fleet.source import SourceOfRepeats
from scyan_exp.fleet.state import JobState
from scyan_exp.fleet.table import Table
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.job import JobFailed
from scyan_exp.run.outcome import Outcome


def run_source(
    source: SourceOfRepeats,
    engine: Engine,
    fleet: FleetSettings,
    sweep_dir: Path,
    n_parallel: int | None = None,
    states: Sequence[JobState] = (),
) -> tuple[list[JobState], bool]:
    """Run jobs until the source gives no more, or until Ctrl-C.

    Args:
        source: gives the jobs.
        engine: where to run them.
        fleet: the settings, which say what follows a failure.
        sweep_dir: the folder of the sweep, which gets the table.
        n_parallel: jobs at a time; None for as many as the engine has slots.
        states: the states of jobs that are known before they begin.

    Returns:
        The state of each job, by number, and whether Ctrl-C ended them.

    Raises:
        JobFailed: the folder can no longer be written.
    """
    with _folder_takes(sweep_dir):
        table, progress = Table(SweepFolder(sweep_dir).table, states), Progress()
        observers = Observers([table, progress])
        jobs_and_repeats = WithRepeats(source, observers, n_parallel or engine.n_slots)
        policy = Policy(fleet.retries, fleet.error_retries, fleet.on_failure == "stop")
        schedule = Schedule(jobs_and_repeats, engine, policy, observers)
        n_kept = sum(state.is_kept for state in states)
        with on_signal(schedule.stop), progress.shown(source.n_jobs, n_kept):
            schedule.run()
        _settle(table.states, Outcome.INTERRUPTED if schedule.interrupted else Outcome.NOT_RUN)
        table.write()
    return table.states, schedule.interrupted


def resume_command(sweep_dir: Path) -> str:
    """The shell command that goes on with a sweep."""
    return shlex.join(["scyan-exp", "resume", str(sweep_dir)])


@contextmanager
def _folder_takes(sweep_dir: Path) -> Iterator[None]:
    """If the file system takes no more, say how to go on: jobs have been trained by then."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise JobFailed(
            f"{error.filename or sweep_dir}: cannot be written ({error.strerror}): make room. To "
            f"go on: {resume_command(sweep_dir)}"
        ) from error


def _settle(states: Sequence[JobState], outcome: Outcome) -> None:
    """Set the outcome of jobs that still count as running: some of their repeats never began."""
    for state in states:
        if state.outcome == Outcome.RUNNING:
            state.outcome = outcome

"""What the terminal shows while a sweep runs: a line per job, and a bar with the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from scyan_exp.fleet.observer import Observer
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome

#: Seconds of silence after which people wonder whether anything happens.
PAUSE = 5.0
#: Outcomes that need nobody's attention.
EXPECTED = (Outcome.COMPLETED, Outcome.PRUNED)


class Progress(Observer):
    """A line for each job that has ended; on a terminal also one for each repeat, and a bar."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._is_terminal = self._console.is_terminal
        self._bar: Bar | None = None

    @contextmanager
    def shown(self, n_jobs: int, n_kept: int) -> Iterator[None]:
        """Show the bar within the block."""
        if n_kept:
            self.note(f"{n_kept} of {n_jobs} jobs are completed already")
        if not self._is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        # tick() refreshes it: there must be no further thread in a process that forks workers.
        self._bar = Bar(
            *columns,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("jobs", total=n_jobs, completed=n_kept)
        with self._bar:
            yield
        self._bar = None

    def tick(self, n_running: int) -> None:
        """Bring the bar up to date."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{n_running} running")
            self._bar.refresh()

    def retried(self, state: JobState) -> None:
        """A line that says why the job is tried again."""
        self.note(f"job {state.job.number}: {state.error}; trying again")

    def ended(self, state: JobState) -> None:
        """A line for a job that has ended."""
        if state.job.repeat is not None:
            if self._is_terminal and state.outcome in EXPECTED:  # failures are told with the job
                self.note(_line(state, f"seed={state.job.repeat}"))
            return
        if self._bar is not None:
            self._bar.advance(self._task)
        if not state.is_kept:
            self.note(_line(state, state.label))

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(text, markup=False)


class Waiting:
    """Says how many jobs have been checked, while people wait.

    Args:
        n_jobs: how many there are.
        pause: seconds between two lines, and before the first.
    """

    def __init__(self, n_jobs: int, pause: float = PAUSE) -> None:
        self._n_jobs, self._pause = n_jobs, pause
        self._told = time.monotonic()

    def tell(self, n_checked: int) -> None:
        """Print a line, if enough time has passed."""
        now = time.monotonic()
        if now - self._told >= self._pause:
            self._told = now
            share = f"{n_checked:,} of {self._n_jobs:,} jobs"
            print(f"composed and checked {share}", file=sys.stderr, flush=True)


def _line(state: JobState, label: str) -> str:
    value = f"  {state.value:.4g}" if isinstance(state.value, float) else ""
    error = f"  {state.error}" if state.error else ""
    where = f"  {state.seconds:.1f} s on {state.device}" if state.device else ""
    return f"#{state.job.number} {state.status}{where}{value}  {label}{error}"

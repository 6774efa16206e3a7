"""What the terminal shows while a sweep runs: a line a job, and a bar with the time left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from scyan_exp.fleet.schedule import Row


class Progress:
    """Lines on the terminal; without a terminal only what needs attention, as plain lines."""

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
        # No thread of its own (workers are forked off this process): tick() refreshes.
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

    def ended(self, row: Row, label: str) -> None:
        """A line for a job that has ended."""
        if self._bar is not None:
            self._bar.advance(self._task)
        if self._is_terminal or row.status not in ("completed", "pruned"):
            self.note(_line(row, label))

    def training_ended(self, row: Row) -> None:
        """A line for one of several trainings of a job."""
        if self._is_terminal:
            self.note(_line(row, f"seed={row.job.training}"))

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(text, markup=False)


def _line(row: Row, label: str) -> str:
    value = f"  {row.value:.4g}" if isinstance(row.value, float) else ""
    error = f"  {row.error}" if row.error else ""
    where = f"  {row.seconds:.1f} s on {row.device}" if row.device else ""
    return f"#{row.job.number} {row.status}{where}{value}  {label}{error}"

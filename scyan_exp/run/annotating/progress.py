"""A bar for all files that are annotated; only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from scyan_exp.run.annotating.plan import Job


class Progress:
    """The bar, as a context. Files count by their bytes.

    Args:
        jobs: the files.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._sizes = {job.source: job.source.stat().st_size for job in jobs}
        self._n_jobs, self._n_done = len(jobs), 0
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn())
            self._bar = Bar(
                *columns,
                TaskProgressColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("annotating", total=sum(self._sizes.values()))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, job: Job) -> Callable[[float], None]:
        """What takes the share of a file that has just been annotated."""
        self._say(job)

        def advance(share: float) -> None:
            if self._bar is not None:
                self._bar.advance(self._task, self._sizes[job.source] * share)

        return advance

    def skip(self, job: Job) -> None:
        """Count a file as done."""
        self._say(job)
        if self._bar is not None:
            self._bar.advance(self._task, self._sizes[job.source])

    def _say(self, job: Job) -> None:
        self._n_done += 1
        if self._bar is not None:
            words = f"{job.source.name} ({self._n_done} of {self._n_jobs})"
            self._bar.update(self._task, description=words)

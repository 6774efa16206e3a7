"""A sweep that is looked at while it runs: what changed since somebody last looked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from scyan_exp.errors import InputError
from scyan_exp.report.finding import Kind, kind_of
from scyan_exp.report.now import now
from scyan_exp.report.page import render
from scyan_exp.report.sweep_data import SweepReader, changed_jobs
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.read_sweep import why_no_sweep

Data = dict[str, Any]
#: What is shown of a sweep before its first job.
NO_JOB = "No job has begun yet."


@dataclass(frozen=True)
class _Seen:
    """A sweep at one moment; never changed, so that threads may share it.

    Attributes:
        version: counts the moments that differ.
        data: see :func:`~scyan_exp.report.sweep_data.sweep_data`; None before the first job.
        jobs: the version in which each job changed last, by its number.
        parts: the version in which each part of the sweep changed last.
        status: what is said of it now.
    """

    version: int = 0
    data: Data | None = None
    jobs: Mapping[int, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    status: Data = field(default_factory=dict)


class LiveSweep:
    """Reads a sweep again when its files change. Of what was, only the last moment is kept.

    Args:
        folder: the folder of a sweep or a search.

    Raises:
        InputError: it is none.
    """

    def __init__(self, folder: Path) -> None:
        if kind_of(folder) not in (Kind.SWEEP, Kind.SEARCH):
            raise InputError(why_no_sweep(folder), where=str(folder))
        self.folder = folder
        self._reader = SweepReader(folder)
        self._name = secrets.token_hex(4)  # of this process: versions of another are not ours
        self._reading = threading.Lock()
        self._files: object = None  # their state when they were read
        self._seen = _Seen()

    @property
    def status(self) -> Data:
        """``state``, ``text`` and ``running``, see :func:`~scyan_exp.report.now.now`."""
        return self._seen.status

    def look(self) -> bool:
        """Read what has changed; whether something has."""
        with self._reading:
            before = self._seen
            self._seen = self._looked(before)
            return self._seen is not before

    def page(self) -> str | None:
        """The page as the sweep stands; None before its first job."""
        seen = self._seen
        if seen.data is None:
            return None
        return render({**seen.data, "version": self._id(seen), "status": seen.status}, live=True)

    def since(self, known: str | None) -> tuple[str, Data | None]:
        """The id of the present version, and what changed since another one; None if nothing has.

        Args:
            known: the id of a version; any other text stands for "nothing is known".
        """
        seen = self._seen
        name, _, number = (known or "").partition("-")
        version = int(number) if name == self._name and number.isdecimal() else -1
        if seen.data is None or version >= seen.version:
            return self._id(seen), None
        jobs = [job for job in seen.data["jobs"] if seen.jobs[job["number"]] > version]
        parts = {key: seen.data["sweep"][key] for key, at in seen.parts.items() if at > version}
        return self._id(seen), {"jobs": jobs, "sweep": parts} if jobs or parts else None

    def _looked(self, before: _Seen) -> _Seen:
        try:
            files = _state(self.folder, before.data)
            is_same = before.data is not None and files == self._files
            data = before.data if is_same and before.data else self._reader.read()
            # As they were before: what is written meanwhile is read next time.
            self._files = files if before.data is not None else None
            status = now(self.folder, data)
        except (InputError, OSError) as error:
            text = NO_JOB if before.data is None else f"The folder cannot be read: {error}"
            status = {"state": "unknown", "text": text, "running": []}
            return before if status == before.status else _changed(before, before.data, status)
        if data == before.data and status == before.status:
            return before
        return _changed(before, data, status)

    def _id(self, seen: _Seen) -> str:
        return f"{self._name}-{seen.version}"


def _state(folder: Path, data: Data | None) -> object:
    """The times and sizes of all files that a page of a sweep is made of."""
    sweep = SweepFolder(folder)
    known = (sweep.manifest, sweep.table, sweep.new_rows, sweep.new_jobs)
    of_sweep = (*known, sweep.search, sweep.importances, sweep.multirun)
    has_list = sweep.manifest.is_file()
    found = None if has_list else [one.path for one in sweep.job_folders()]
    jobs = [] if data is None else data["jobs"]
    folders = [folder / job["folder"] for job in jobs if job["folder"] is not None]
    of_jobs = [path for one in folders for path in _files_of(RunFolder(one))]
    return found, [_stat(path) for path in (*of_sweep, *of_jobs)]


def _files_of(run: RunFolder) -> list[Path]:
    own = [run.result, run.metrics, run.population_weights, run.annotated, run.report]
    try:
        return [*own, *_of_repeats(run.path, run.path.stat().st_mtime_ns)]
    except OSError:
        return own


@lru_cache(maxsize=4096)
def _of_repeats(folder: Path, changed: int) -> list[Path]:
    """The logs of repeats. A folder is listed again when something in it has come or gone."""
    repeats = sorted(folder.glob("seed_*"))
    return [RunFolder(one).metrics for one in repeats]


def _stat(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def _changed(before: _Seen, data: Data | None, status: Data) -> _Seen:
    """The next version."""
    version = before.version + 1
    if data is None or data == before.data:
        return _Seen(version, data, before.jobs, before.parts, status)
    known = before.data or {"jobs": [], "sweep": {}}
    numbers = {job["number"] for job in changed_jobs(known, data)}
    jobs = {
        job["number"]: version if job["number"] in numbers else before.jobs[job["number"]]
        for job in data["jobs"]
    }
    missing = object()
    parts = {
        key: before.parts[key] if value == known["sweep"].get(key, missing) else version
        for key, value in data["sweep"].items()
    }
    return _Seen(version, data, jobs, parts, status)

"""What a sweep does now: which jobs run and how far they are, what waits, how long it will take."""

from __future__ import annotations

import csv
import io
import math
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.fleet.locking import is_locked
from scyan_exp.report.ranking import yaml_if_readable
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.search.description import read_description

Data = dict[str, Any]
#: Bytes at the end of a log of epochs in which its last epoch stands.
TAIL = 65_536
#: The setting of a search that says how many trials there will be.
N_TRIALS = "hydra.sweeper.n_trials"


def now(folder: Path, data: Mapping[str, Any]) -> Data:
    """How a sweep stands.

    Args:
        folder: the folder of the sweep.
        data: what :func:`~scyan_exp.report.sweep_data.sweep_data` says of it.

    Returns:
        ``state`` (``running``, ``ended`` or ``stopped``), ``text`` in words, ``running``: a job
        each, with ``number``, ``epoch`` (how many have ended), ``max_epochs``, ``loss`` and
        ``seconds`` since it began.
    """
    jobs = data["jobs"]
    n_jobs = max(len(jobs), _n_trials(folder) or 0)
    ended = Counter(job["outcome"] for job in jobs if job["outcome"] not in UNFINISHED)
    state = _state(folder, jobs, n_jobs - sum(ended.values()))
    running = [_running(folder, job, data) for job in jobs if job["outcome"] == Outcome.RUNNING]
    running = running if state == "running" else []
    n_waiting = n_jobs - sum(ended.values()) - len(running)
    if not _is_listed(folder):
        text = _unlisted_text(len(running), sum(ended.values()), n_jobs)
    elif state == "running":
        left = _seconds_left(jobs, running, n_waiting)
        text = _running_text(len(running), n_waiting, sum(ended.values()), n_jobs, left)
    elif state == "ended":
        counts = ", ".join(f"{n} {outcome}" for outcome, n in ended.items())
        text = f"The {data['sweep']['kind']} has ended: {counts} of {n_jobs} jobs."
    else:
        again = shlex.join(["scyan-exp", "resume", str(folder)])
        text = f"Nothing runs, and {n_jobs - sum(ended.values())} of {n_jobs} jobs are left. "
        text += f"To go on: {again}"
    return {"state": state, "text": text, "running": running}


UNFINISHED = (Outcome.RUNNING, Outcome.NOT_RUN, Outcome.INTERRUPTED)


def _state(folder: Path, jobs: Sequence[Mapping[str, Any]], n_left: int) -> str:
    if is_locked(folder):
        return "running"
    if not n_left:
        return "ended"
    seems_so = any(job["outcome"] == Outcome.RUNNING for job in jobs)
    return "running" if seems_so and not _is_listed(folder) else "stopped"


def _is_listed(folder: Path) -> bool:
    """Whether all jobs are known, and a lock says that they run: under the fleet, in a search."""
    return SweepFolder(folder).manifest.is_file() or SweepFolder(folder).holds_search()


def _unlisted_text(n_running: int, n_ended: int, n_jobs: int) -> str:
    """Of a launcher that keeps no list: how many jobs are still to come is not known."""
    text = f"{n_running} running, {n_ended} of the {n_jobs} jobs begun so far have ended."
    return f"{text} This launcher does not say how many there will be."


def _running_text(n_running: int, n_waiting: int, n_ended: int, n_jobs: int, left: float) -> str:
    parts = [f"{n_running} running", f"{n_waiting} waiting", f"{n_ended} of {n_jobs} ended"]
    about = "" if math.isnan(left) else f" About {_duration(left)} left."
    return f"{', '.join(parts)}.{about}"


def _seconds_left(
    jobs: Sequence[Mapping[str, Any]], running: Sequence[Mapping[str, Any]], n_waiting: int
) -> float:
    """As long as the completed jobs took, for what is left; NaN where there is none."""
    took = [
        job["seconds"] or job["fit_seconds"]
        for job in jobs
        if job["outcome"] == Outcome.COMPLETED and (job["seconds"] or job["fit_seconds"])
    ]
    if not took:
        return math.nan
    mean = sum(took) / len(took)
    of_running = [max(0.0, mean - one["seconds"]) for one in running]
    return max([n_waiting * mean / max(1, len(running)) + sum(of_running) / max(1, len(running)),
                *of_running])  # fmt: skip


def _running(folder: Path, job: Mapping[str, Any], data: Mapping[str, Any]) -> Data:
    """How far a job is."""
    where = folder / str(job["folder"])
    max_epochs = job["overrides"].get("trainer.max_epochs", data["sweep"].get("max_epochs"))
    logs = [RunFolder(where).metrics, *where.glob(f"seed_*/{RunFolder(where).metrics.name}")]
    there = [path for path in logs if path.is_file()]
    newest = max(there, key=lambda path: path.stat().st_mtime, default=None)
    epoch, loss = (0, None) if newest is None else last_epoch(newest)
    repeat = newest.parent.name if newest is not None and newest.parent != where else None
    return {
        "number": job["number"],
        "repeat": repeat,
        "epoch": epoch,
        "max_epochs": max_epochs,
        "loss": loss,
        "seconds": _seconds_since(RunFolder(where).result),
    }


def last_epoch(path: Path) -> tuple[int, float | None]:
    """How many epochs have ended, and the loss of the last one, from the end of a log of epochs."""
    rows = [row for row in _tail(path) if row.get("loss") and row.get("epoch")]
    try:
        return int(float(rows[-1]["epoch"])) + 1, float(rows[-1]["loss"])
    except (IndexError, ValueError):
        return 0, None


def _tail(path: Path) -> Iterator[dict[str, str]]:
    """The last rows of a CSV file that somebody may be writing."""
    try:
        with path.open("rb") as file:
            head = file.readline()
            size = file.seek(0, io.SEEK_END)
            start = max(len(head), size - TAIL)
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return
    names = next(csv.reader([head.decode("utf-8", "replace")]), [])
    lines = text.splitlines() if start == len(head) else text.splitlines()[1:]
    for row in csv.reader(lines):
        if len(row) == len(names):  # not one that is half written
            yield dict(zip(names, row, strict=True))


def _n_trials(folder: Path) -> int | None:
    """How many trials a search will have; None where this is none, or does not say."""
    if not SweepFolder(folder).holds_search():
        return None
    typed = [one for one in read_description(folder)["arguments"] if one.startswith(N_TRIALS)]
    try:
        if typed:
            return int(typed[-1].partition("=")[2])
        return int(yaml_if_readable(SweepFolder(folder).multirun)["hydra"]["sweeper"]["n_trials"])
    except (TypeError, KeyError, ValueError):
        return None


def _seconds_since(path: Path) -> float:
    try:
        return max(0.0, round(time.time() - path.stat().st_mtime))
    except OSError:
        return 0.0


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""What a thousand jobs through one fleet leave behind: memory, files and threads of its processes.

The launcher and its workers are looked at from outside while they run. Whatever one job leaves
behind would grow with the number of jobs that have ended; a line through these numbers says how
fast. A search is killed again and again meanwhile, and must end as if nobody had.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.start import QUICK
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.sweep_files import read_rows

N_JOBS, N_TRIALS, N_KILLS = 1_000, 200, 24
#: Jobs until all that is imported late has been imported.
WARM_UP = 50
#: Seconds between two looks, and at most from a trial that has ended until the next kill.
EVERY, LONGEST = 1.0, 3.0
#: Seconds in which workers must have ended after their launcher.
PATIENCE = 30.0
SEARCH = (
    "hydra/sweeper=study",
    *("model.prior_std=interval(0.2,0.4)", "model.temperature=interval(0.25,4)"),
)


class Look(NamedTuple):
    """A process at a moment.

    Attributes:
        n_ended: jobs of the sweep that have ended.
        role: ``launcher`` or ``worker 0``.
        memory_mb: memory that it can read, also what others read too (RSS).
        own_mb: memory that is its own alone (USS); more, once a shared page is written to.
        n_files: open files.
        n_threads: threads.
    """

    n_ended: int
    role: str
    memory_mb: float
    own_mb: float
    n_files: int
    n_threads: int


def measure_soak(
    n_jobs: int = N_JOBS, n_trials: int = N_TRIALS, n_kills: int = N_KILLS
) -> list[dict[str, Any]]:
    """A row for the launcher and each worker of the grid, for its folder, and for the search."""
    with tempfile.TemporaryDirectory() as scratch:
        grid, search = Path(scratch) / "grid", Path(scratch) / "search"
        begun = time.perf_counter()
        looks = list(_watched(grid, n_jobs))
        seconds = time.perf_counter() - begun
        rows = [_slopes(role, looks) for role in sorted({look.role for look in looks})]
        return [*rows, _folders(grid, n_jobs, seconds), _killed(search, n_trials, n_kills)]


def _command(sweep: Path, *arguments: str) -> list[str]:
    program = (sys.executable, "-m", "scyan_exp", "train", "-m", *QUICK)
    return [*program, "hydra.launcher.jobs_per_device=2", *arguments, f"hydra.sweep.dir={sweep}"]


def _watched(sweep: Path, n_jobs: int) -> Iterator[Look]:
    """Run a grid, and look at its processes until it has ended."""
    process = _started(_command(sweep, f"seed=range(0,{n_jobs})"))
    workers: list[int] = []
    while process.poll() is None:
        n_ended = len(_outcomes(sweep))
        workers += [pid for pid in _children(process.pid) if pid not in workers]
        roles = {"launcher": process.pid, **{f"worker {i}": pid for i, pid in enumerate(workers)}}
        for role, pid in roles.items():
            try:
                yield _look(n_ended, role, pid)
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
        time.sleep(EVERY)
    assert process.returncode == 0, f"the sweep ended with {process.returncode}"


def _look(n_ended: int, role: str, pid: int) -> Look:
    folder = Path(f"/proc/{pid}")
    lines = (folder / "smaps_rollup").read_text().splitlines()[1:]
    kb = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return Look(
        n_ended,
        role,
        kb["Rss"] / 1024,
        (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024,
        len([*(folder / "fd").iterdir()]),
        len([*(folder / "task").iterdir()]),
    )


def _slopes(role: str, looks: Sequence[Look]) -> dict[str, Any]:
    """How much a process grows a hundred jobs, once it is warm, and what it has at the end."""
    n_jobs = max(look.n_ended for look in looks)
    # When the workers end, what they shared with the launcher is its own.
    warm = range(WARM_UP, n_jobs)
    seen = [look for look in looks if look.role == role and look.n_ended in warm]
    hundreds = [look.n_ended / 100 for look in seen]
    row: dict[str, Any] = {"who": role, "looks": len(seen)}
    for name in ("memory_mb", "own_mb", "n_files", "n_threads"):
        values = [getattr(look, name) for look in seen]
        row[f"{name}_slope"] = float(np.polyfit(hundreds, values, 1)[0])
        row[f"{name}_first"], row[f"{name}_last"] = values[0], values[-1]
    return row


def _folders(sweep: Path, n_jobs: int, seconds: float) -> dict[str, Any]:
    """Sizes of the folders of jobs, and of what the sweep keeps beside them."""
    outcomes = _outcomes(sweep)
    assert len(outcomes) == n_jobs, len(outcomes)
    assert set(outcomes.values()) == {Outcome.COMPLETED.value}, set(outcomes.values())
    sizes = [_size(sweep / str(number)) for number in range(n_jobs)]
    return {
        "who": "folders",
        "jobs": n_jobs,
        "seconds": seconds,
        "smallest_kb": min(sizes) / 1024,
        "largest_kb": max(sizes) / 1024,
        "beside_kb_a_job": (_size(sweep) - sum(sizes)) / 1024 / n_jobs,
    }


def _killed(sweep: Path, n_trials: int, n_kills: int) -> dict[str, Any]:
    """Kill a search at random moments and go on; what has ended may never change."""
    chance, kept, n_left = random.Random(0), dict[int, bytes](), 0
    begun = time.perf_counter()
    for number in range(n_kills + 1):
        is_there = (sweep / "study.json").exists()
        resume = [sys.executable, "-m", "scyan_exp", "resume", str(sweep)]
        begin = _command(sweep, *SEARCH, f"hydra.sweeper.n_trials={n_trials}")
        process = _started(resume if is_there else begin)
        if number < n_kills:
            _wait_for_progress(sweep, len(kept), chance.uniform(0, LONGEST), process)
            children = _children(process.pid)
            process.send_signal(signal.SIGKILL)
        else:
            children = []
        process.wait()
        n_left += _left_after(children, PATIENCE)
        results = _results(sweep)
        assert {one: results.get(one) for one in kept} == kept, "a trial that had ended changed"
        kept = results
    assert process.returncode == 0, f"the search ended with {process.returncode}"
    assert sorted(kept) == list(range(n_trials)), "trials are missing, or there are too many"
    return {
        "who": "search",
        "trials": len(kept),
        "kills": n_kills,
        "left": n_left,
        "seconds": time.perf_counter() - begun,
    }


def _wait_for_progress(
    sweep: Path, n_before: int, seconds: float, process: subprocess.Popen[bytes]
) -> None:
    """Wait until a trial more has ended, and some seconds more."""
    deadline = time.monotonic() + 120
    while len(_results(sweep)) <= n_before and process.poll() is None:
        assert time.monotonic() < deadline, "no trial ended in two minutes"
        time.sleep(0.05)
    time.sleep(seconds)


def _left_after(pids: Sequence[int], seconds: float) -> int:
    """How many of some processes still run after so long; workers end with their launcher."""
    deadline = time.monotonic() + seconds
    while (running := [pid for pid in pids if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(running)


def _runs(pid: int) -> bool:
    """Whether there is such a process, and it is none that waits to be reaped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _results(sweep: Path) -> dict[int, bytes]:
    """The records of the trials that have ended, as they stand on disk."""
    found = {}
    for path in sweep.glob("[0-9]*/result.json"):
        content = path.read_bytes()
        if json.loads(content)["status"] == Outcome.COMPLETED.value:
            found[int(path.parent.name)] = content
    return found


def _outcomes(sweep: Path) -> dict[int, str]:
    """How the jobs of a grid ended that have, by number."""
    rows = read_rows(SweepFolder(sweep).table)
    waiting = (Outcome.NOT_RUN, Outcome.RUNNING)
    return {number: row["status"] for number, row in rows.items() if row["status"] not in waiting}


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in found.read_text().split()] if found.exists() else []


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as tables in Markdown."""
    *processes, folders, search = rows
    lines = [
        "| process | memory (RSS), MB a 100 jobs | from, to | its own (USS), MB a 100 jobs "
        "| from, to | open files, from, to | threads, from, to |",
        "|" + " --- |" * 7,
    ]
    for row in processes:
        first, last = (
            {k: row[f"{k}_{end}"] for k in Look._fields[2:]} for end in ("first", "last")
        )
        lines.append(
            f"| {row['who']} | **{row['memory_mb_slope']:+.2f}** "
            f"| {first['memory_mb']:.0f}, {last['memory_mb']:.0f} "
            f"| **{row['own_mb_slope']:+.2f}** | {first['own_mb']:.0f}, {last['own_mb']:.0f} "
            f"| {first['n_files']}, {last['n_files']} | {first['n_threads']}, {last['n_threads']} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"{folders['jobs']:,} jobs in {folders['seconds']:.0f} s. Folder of a job: "
            f"{folders['smallest_kb']:.1f} to {folders['largest_kb']:.1f} kB; beside them "
            f"{folders['beside_kb_a_job']:.2f} kB a job.",
            "",
            f"A search of {search['trials']} trials, {search['kills']} kills and resumes: "
            f"{search['trials']} have ended, none changed or was run again, "
            f"{search['left']} processes left behind ({search['seconds']:.0f} s).",
        ]
    )

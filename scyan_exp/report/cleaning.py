"""What can be removed from a sweep without losing a record: ``scyan-exp clean``."""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.errors import InputError
from scyan_exp.report.finding import Kind, find
from scyan_exp.report.listing import read_job
from scyan_exp.report.ranking import Goal, goal_of_sweep
from scyan_exp.run.cleaned import note_cleaned
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_sweep import why_no_sweep
from scyan_exp.run.record import RunRecord
from scyan_exp.run.sweep_jobs import SweepJob, jobs_of

#: Outcomes after which a resume has nothing left to do.
ENDED = (Outcome.COMPLETED, Outcome.PRUNED)


@dataclass(frozen=True)
class Removal:
    """What is removed of a job.

    Attributes:
        job: the job.
        outcome: how it ended.
        files: the files.
        n_bytes: their size.
    """

    job: SweepJob
    outcome: str
    files: Sequence[Path]
    n_bytes: int


@dataclass(frozen=True)
class Plan:
    """What a cleaning removes, and what it leaves alone.

    Attributes:
        removals: a job each.
        best: the numbers of the best jobs, best first; None where none were asked for.
        remarks: what people should know before they agree.
    """

    removals: Sequence[Removal]
    best: Sequence[int] | None
    remarks: Sequence[str]

    @property
    def n_files(self) -> int:
        """Files in all."""
        return sum(len(one.files) for one in self.removals)

    @property
    def n_bytes(self) -> int:
        """Bytes in all."""
        return sum(one.n_bytes for one in self.removals)


def plan_cleaning(folder: Path, n_best: int | None = None) -> Plan:
    """What could be removed: checkpoints and annotated files, never a record, a config or a log.

    Args:
        folder: the folder of a sweep or a search that does not run.
        n_best: the completed jobs that stay whole; None removes only what failed.

    Raises:
        InputError: there is no sweep, or no telling which jobs are the best.
    """
    jobs = jobs_of(folder.absolute())
    if not jobs:
        raise InputError(why_no_sweep(folder), where=str(folder))
    read = {job.number: read_job(job) for job in jobs}
    best = None if n_best is None else _best(folder, jobs, read, n_best)
    unread = {n for n, (record, _) in read.items() if record is None}
    left = [job for job in jobs if job.number in unread and best is not None and _has_result(job)]
    wanted = [
        job
        for job in jobs
        if job not in left and _is_wanted(job, read[job.number][1], best, folder)
    ]
    keeps_cells = SweepFolder(folder).entries.is_file()
    removals = []
    remarks = [f"job {job.number}: its record cannot be read, so it is left alone" for job in left]
    for job in wanted:
        outcome = read[job.number][1]
        files = list(_files(job, folder, outcome, keeps_cells))
        if files:
            size = sum(path.lstat().st_size for path in files)
            removals.append(Removal(job, outcome, files, size))
        elif job.folder is not None and not _is_inside(job.folder, folder):
            remarks.append(f"job {job.number} lies elsewhere ({job.folder}): it is left alone")
    return Plan(removals, best, [*remarks, *_remarks(removals, folder, keeps_cells)])


def clean(plan: Plan) -> None:
    """Remove the files of a plan; each folder says afterwards what it has lost."""
    for removal in plan.removals:
        by_run: dict[Path, list[Path]] = {}
        for path in removal.files:
            by_run.setdefault(_run_of(path), []).append(path)
        for folder, files in by_run.items():
            note_cleaned(folder, files)  # first: a cleaning that is cut off is explained too
            for path in files:
                path.unlink(missing_ok=True)
            for own in (RunFolder(folder), RunFolder(folder).refined):
                with suppress(OSError):  # links or files of others are left in it
                    own.checkpoints.rmdir()


def _best(
    folder: Path,
    jobs: Sequence[SweepJob],
    read: dict[int, tuple[RunRecord | None, str]],
    n_best: int,
) -> list[int]:
    goal = _one_objective(goal_of_sweep(folder, jobs), folder, n_best)
    ranks = {
        number: goal.rank(record.objective)
        for number, (record, outcome) in read.items()
        if record is not None and outcome == Outcome.COMPLETED and goal.keeps_constraints(record)
    }
    ranked = sorted((n for n, rank in ranks.items() if math.isfinite(rank)), key=ranks.__getitem__)
    if not ranked:
        reason = f"best={n_best}: no job is completed and has an objective, so none is the best"
        raise InputError(reason, where=str(folder))
    return ranked[:n_best]


def _one_objective(goal: Goal | None, folder: Path, n_best: int) -> Goal:
    if goal is None:
        reason = "its jobs have no objective in common, or its metric is not installed"
        raise InputError(f"best={n_best}: {reason}", where=str(folder))
    if len(goal.names) > 1:
        reason = f"best= needs one objective, this sweep has {len(goal.names)}"
        raise InputError(reason, where=str(folder))
    return goal


def _is_wanted(job: SweepJob, outcome: str, best: Sequence[int] | None, sweep: Path) -> bool:
    """Whether a job loses its files."""
    if outcome == Outcome.RUNNING and not _has_lock(sweep):
        return False  # perhaps it does: its launcher does not say
    if best is not None:
        return job.number not in best
    return outcome in set(Outcome) and Outcome(outcome).is_failure


def _has_result(job: SweepJob) -> bool:
    """Whether a run wrote a record, whatever became of it."""
    return job.folder is not None and RunFolder(job.folder).result.exists()


def _has_lock(sweep: Path) -> bool:
    """Whether it would be known if the jobs of a sweep ran now."""
    return SweepFolder(sweep).manifest.is_file() or SweepFolder(sweep).holds_search()


def _files(job: SweepJob, sweep: Path, outcome: str, keeps_cells: bool) -> Iterator[Path]:
    """The checkpoints and annotated files of a job and its repeats."""
    if job.folder is None:
        return
    for folder in (job.folder, *sorted(job.folder.glob("seed_*"))):
        if folder != job.folder and outcome not in ENDED and _is_completed(folder):
            continue  # a resume combines it with the repeats that are missing
        own = RunFolder(folder)
        cells = [] if keeps_cells and outcome == Outcome.COMPLETED else [own.annotated]
        checkpoints = [*own.checkpoints.glob("*"), *own.refined.checkpoints.glob("*")]
        for path in (*sorted(checkpoints), *cells):
            if _is_inside(path.parent, sweep) and _is_file(path):
                yield path


def _is_completed(folder: Path) -> bool:
    try:
        record = RunRecord.read(folder)
    except InputError:
        return True  # of a newer version: not ours to judge
    return record is not None and record.status == Outcome.COMPLETED


def _is_inside(folder: Path, sweep: Path) -> bool:
    """Whether a folder lies in that of the sweep, with no link on the way."""
    root, folder = sweep.absolute(), folder.absolute()
    return folder.is_relative_to(root) and folder.resolve() == root.resolve() / folder.relative_to(
        root
    )


def _is_file(path: Path) -> bool:
    """A file itself, not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _run_of(path: Path) -> Path:
    """The folder of the run that a file belongs to."""
    in_checkpoints = path.parent.name == RunFolder(Path()).checkpoints.name
    folder = path.parents[1] if in_checkpoints else path.parent
    return folder.parent if folder.name == RunFolder(Path()).refined.path.name else folder


def _remarks(removals: Sequence[Removal], sweep: Path, keeps_cells: bool) -> Iterator[str]:
    cut_off = [
        one.job.number
        for one in removals
        if one.outcome in set(Outcome) and Outcome(one.outcome).was_cut_off
    ]
    if cut_off:
        numbers = ", ".join(map(str, cut_off))
        yield f"job {numbers}: a resume would start again at the first epoch"
    if keeps_cells:
        yield "annotated files of completed jobs stay: a resume of this sweep compares them"
    cleaned = {one.job.folder.resolve() for one in removals if one.job.folder is not None}
    for kind, folder in find(sweep):
        if kind == Kind.CONSENSUS:
            n_lost = len(cleaned & set(_members(folder)))
            if n_lost:
                yield f"{folder}: loses {n_lost} of its models, and cannot annotate new cells then"


def _members(consensus: Path) -> list[Path]:
    """The folders of the jobs that a consensus is of; of repeats, the jobs that they are of."""
    record = RunRecord.read(consensus)
    members = [] if record is None else (record.repeats or {}).get("members", [])
    folders = [(consensus / one["folder"]).resolve() for one in members]
    return [*folders, *(one.parent for one in folders)]

"""A sweep or a search as one plain structure: what its page draws.

``{"format": 1, "kind": "sweep", "sweep": {...}, "jobs": [...]}``. Every number of a job is that of
:func:`~scyan_exp.run.read_sweep.read_sweep`; curves, weights and shares are rounded.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.config.objectives import METRICS
from scyan_exp.config.schema import objective_names
from scyan_exp.errors import InputError
from scyan_exp.report.agreement import agreement_data
from scyan_exp.report.comparing_configs import (
    SEED,
    Objective,
    best_first,
    effects_of,
    front_of,
    groups_of,
    name_of,
    pooled_sd,
    read_importances,
)
from scyan_exp.report.job_data import job_data
from scyan_exp.report.words import effect_words, headline
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.read_sweep import AFTER, BEFORE, read_sweep
from scyan_exp.search.constraints import parse_constraints
from scyan_exp.search.description import read_description

Data = dict[str, Any]
#: Of the structure; a live page asks for a new one when it has another.
FORMAT = 1
#: Epochs whose population weights are kept, of all jobs together, and of one job.
MOST_EPOCHS = 15_000
EPOCHS_OF_WEIGHTS = (200, 100, 50, 25, 12, 6)


def sweep_data(folder: str | Path) -> Data:
    """A sweep or a search, also while it runs.

    Raises:
        InputError: there is none in this folder, or a newer version of the program wrote it.
    """
    return SweepReader(folder).read()


def changed_jobs(before: Data, after: Data) -> list[Data]:
    """The jobs that are new or other than before: what ``scyanReport.update`` takes."""
    known = {job["number"]: job for job in before["jobs"]}
    return [job for job in after["jobs"] if known.get(job["number"]) != job]


class SweepReader:
    """Reads a sweep again and again; of jobs whose files have not changed only once.

    Args:
        folder: the folder of the sweep.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder).absolute()
        self._known: dict[int, tuple[Any, Data, list[str]]] = {}
        self._agreement: tuple[Any, Data | None] = (None, None)

    def read(self) -> Data:
        """The sweep as it is now.

        Raises:
            InputError: there is none in this folder, or a newer version of the program wrote it.
        """
        table = read_sweep(self._folder)
        columns = list(table.columns)
        split, end = columns.index(BEFORE[0]), len(columns) - len(AFTER)
        names = columns[:split], columns[split + len(BEFORE) : end]
        rows = [(int(number), row) for number, row in zip(table.index, _rows(table), strict=True)]
        read = [self._job(number, row, names, len(rows)) for number, row in rows]
        populations = list(dict.fromkeys(name for _, own in read for name in own))
        jobs = [_aligned(job, own, populations) for job, own in read]
        folders = {number: Path(row["folder"]) for number, row in rows if row["folder"] is not None}
        varied = [key for key in names[0] if _varies(jobs, key)]
        for job in jobs:
            job["folder"] = _href(folders.get(job["number"]), self._folder)
            job["name"] = name_of(job, varied)
        sweep = self._sweep(jobs, varied, populations, folders) | {"metrics": names[1]}
        return {"format": FORMAT, "kind": "sweep", "sweep": sweep, "jobs": jobs}

    def _job(
        self, number: int, row: Mapping[str, Any], names: Sequence[Sequence[str]], n_jobs: int
    ) -> tuple[Data, list[str]]:
        most = _epochs_kept(n_jobs)
        state = repr((row, most)), _signature(row["folder"])
        if number not in self._known or self._known[number][0] != state:
            self._known[number] = (state, *job_data(number, row, names, most))
        return self._known[number][1:]

    def _sweep(
        self,
        jobs: Sequence[Data],
        varied: Sequence[str],
        populations: Sequence[str],
        folders: Mapping[int, Path],
    ) -> Data:
        own = SweepFolder(self._folder)
        described = read_description(self._folder) if own.holds_search() else None
        objectives = _objectives(described, folders.values())
        constraints = described["constraints"] if described else []
        rated = [job for job in jobs if _keeps(job, constraints)]
        single = objectives[0] if len(objectives) == 1 else None
        groups = groups_of(rated, varied, single) if single else []
        front = front_of(rated, objectives) if len(objectives) > 1 else []
        ordered: Sequence[Any] = best_first(rated, objectives[0]) if objectives else []
        best = ordered[0] if single and ordered else None
        importances = read_importances(own.importances) if described else []
        effects = importances or (effects_of(rated, varied, single) if single else [])
        kind = "importances" if importances else "eta squared"
        return {
            "name": self._folder.name,
            "kind": "search" if described else "sweep",
            "objectives": [vars(one) for one in objectives],
            "constraints": list(constraints),
            "parameters": [key for key in varied if key != SEED],
            "varied": list(varied),
            "populations": list(populations),
            "max_epochs": _config_value(folders.values(), "trainer", "max_epochs"),
            "headline": headline(jobs, rated, varied, objectives, groups, front, constraints),
            "rated": [job["number"] for job in rated] if constraints else None,
            "best": best["number"] if best else None,
            "best_command": _best_command(own),
            "groups": [one.to_dict() for one in groups],
            "spread": pooled_sd(groups),
            "front": front,
            "effects": effects,
            "effects_kind": kind,
            "effects_words": effect_words(effects, kind),
            "agreement": self._agreements(ordered, folders, populations),
        }

    def _agreements(
        self, ordered: Sequence[Data], folders: Mapping[int, Path], populations: Sequence[str]
    ) -> Data | None:
        """Compared anew only where the files of a job that is compared have changed."""
        found = {job["number"]: folders[job["number"]] for job in ordered}
        state = [(number, _state(RunFolder(one).annotated)) for number, one in found.items()]
        if self._agreement[0] != state:
            self._agreement = state, agreement_data(found, populations)
        return self._agreement[1]


def _best_command(sweep: SweepFolder) -> str | None:
    """The command that trains the best trial of a search again, as the search itself says it."""
    if not sweep.experiments("best")[1].is_file():
        return None
    folder = str(sweep.path)
    return shlex.join(["scyan-exp", "train", "--config-dir", folder, "experiment=best"])


def _rows(table: Any) -> list[Data]:
    return table.astype(object).to_dict("records")


def _epochs_kept(n_jobs: int) -> int:
    """Epochs whose weights are kept of each job, so that all together fit in a page."""
    return next((n for n in EPOCHS_OF_WEIGHTS if n * n_jobs <= MOST_EPOCHS), EPOCHS_OF_WEIGHTS[-1])


def _signature(folder: str | None) -> list[tuple[int, int]]:
    """What tells whether the files of a run have changed: their times and sizes."""
    if folder is None:
        return []
    run = RunFolder(Path(folder))
    paths = (run.result, run.metrics, run.population_weights, run.annotated, run.report)
    repeats = sorted(run.path.glob(f"seed_*/{run.metrics.name}"))
    return [_state(path) for path in (*paths, *repeats)]


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _aligned(job: Data, own: Sequence[str], populations: Sequence[str]) -> Data:
    """The job with its shares and weights in the order of all populations."""
    if list(own) == list(populations):
        return dict(job)
    position = {name: i for i, name in enumerate(own)}
    places = [position.get(name) for name in populations]
    shares, weights = job["shares"], job["weights"]
    of = [weights["of"][i] if i is not None and i < len(weights["of"]) else [] for i in places]
    shares = shares and [None if i is None else shares[i] for i in places]
    return {**job, "shares": shares, "weights": {**weights, "of": of}}


def _href(folder: Path | None, sweep: Path) -> str | None:
    """A run folder as a link from the page has it: relative, wherever the sweep is moved."""
    if folder is None:
        return None
    return folder.relative_to(sweep).as_posix() if folder.is_relative_to(sweep) else str(folder)


def _keeps(job: Data, constraints: Sequence[str]) -> bool:
    return all(one.violation(job["metrics"]) <= 0 for one in parse_constraints(constraints))


def _varies(jobs: Sequence[Data], key: str) -> bool:
    return len({repr(job["overrides"].get(key)) for job in jobs}) > 1


def _objectives(described: Mapping[str, Any] | None, folders: Iterable[Path]) -> list[Objective]:
    """What is to be improved: of a search as it says, else as the config of a job says."""
    if described is not None:
        pairs = zip(described["objectives"], described["directions"], strict=True)
        return [Objective(name, direction) for name, direction in pairs]
    named = objective_names(_config_value(folders, "objective") or [])
    return [Objective(one, METRICS[one].direction) for one in named if one in METRICS]


def _config_value(folders: Iterable[Path], *keys: str) -> Any:
    """A value of the first config that can be read; None without one."""
    from scyan_exp.run.read_run import Run

    for folder in folders:
        try:
            value: Any = Run(folder).config
        except InputError:
            continue
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value
    return None

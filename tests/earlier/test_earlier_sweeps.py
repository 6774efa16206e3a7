"""Sweeps and searches of an earlier version: read as tables, and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.read_run import read_run
from scyan_exp.run.read_sweep import read_sweep
from tests.fleet.sweeps import Sweep, _end, ended


@pytest.fixture
def started(earlier) -> Iterator[Callable[[str], Sweep]]:
    """A copy of a sweep, whose processes end with the test."""
    sweeps = []

    def copied(name: str) -> Sweep:
        sweeps.append(Sweep(earlier(name)))
        return sweeps[-1]

    yield copied
    for sweep in sweeps:
        _end(sweep)


def values_of(folder: Path) -> list[float | None]:
    """What the storage of a search holds."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    (study,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
    return [trial.value for trial in trials]


def records(folder: Path) -> dict[Path, bytes]:
    """What the completed jobs wrote at their ends."""
    paths = folder.glob("*/result.json")
    found = {path: path.read_bytes() for path in paths}
    return {path: text for path, text in found.items() if json.loads(text)["objective"]}


def test_a_sweep_is_a_table(unpacked):
    table = read_sweep(unpacked / "sweep")
    assert table["outcome"].tolist() == ["completed", "lost", "not run"]
    assert table["seed"].tolist() == [0, 1, 2]
    assert set(table["flow"]) == {"shallow"}
    assert table["heuristic"].notna().tolist() == [True, False, False]
    assert "SIGKILL" in table["error"][1]
    assert table["folder"].tolist() == [str(unpacked / "sweep" / str(n)) for n in range(3)]


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [("search", ["completed"] * 4), ("search_killed", ["completed", "completed", "running"])],
)
def test_a_search_is_a_table(unpacked, name, outcomes):
    table = read_sweep(unpacked / name)
    assert table["outcome"].tolist() == outcomes
    assert table["model.prior_std"].between(0.15, 0.4).all()
    completed = table[table["outcome"] == "completed"]
    assert completed["objective"].tolist() == values_of(unpacked / name)[: len(completed)]
    assert (completed["seconds"] > 0).all()


@pytest.mark.parametrize("name", ["sweep", "search", "search_killed"])
def test_every_file_has_a_name_in_one_place(unpacked, name):
    sweep = SweepFolder(unpacked / name)
    jobs = sweep.job_folders()
    assert len(jobs) == len(read_sweep(sweep.path))
    named = {path for folder in (sweep, *jobs) for path in names_of(folder)}
    named |= set(sweep.best_experiments())
    files = [path for path in sweep.path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if not named & {path, *path.parents}]


def names_of(folder: RunFolder | SweepFolder) -> set[Path]:
    kind = type(folder)
    names = [name for name, value in vars(kind).items() if isinstance(value, property)]
    return {getattr(folder, name) for name in names}


def test_what_is_missing_of_a_sweep_is_run(started):
    sweep = started("sweep")
    (kept,) = sweep.completed().values()
    first = (sweep.folder / "1" / "population_weights.csv").read_text()
    output = ended(sweep.resume())
    assert "1 of 3 jobs are completed already" in output
    assert sweep.completed()[0] == kept
    assert read_sweep(sweep.folder)["outcome"].tolist() == ["completed"] * 3
    # The lost one goes on from where it was.
    assert "Continuing from" in sweep.log(1)
    assert (sweep.folder / "1" / "population_weights.csv").read_text().startswith(first)


@pytest.mark.slow
def test_a_killed_search_goes_on(started):
    sweep = started("search_killed")
    kept, values = records(sweep.folder), values_of(sweep.folder)
    drawn = read_sweep(sweep.folder)["model.prior_std"]
    assert sorted(path.parent.name for path in kept) == ["0", "1"]
    output = ended(sweep.resume())
    assert "4 trials (2 of them have ended)" in output
    assert records(sweep.folder).items() >= kept.items()
    table = read_sweep(sweep.folder)
    assert table["outcome"].tolist() == ["completed"] * 4
    assert table["model.prior_std"][:3].tolist() == drawn.tolist()
    assert values_of(sweep.folder)[:2] == values[:2]
    assert values_of(sweep.folder) == table["objective"].tolist()


def test_a_finished_search_has_nothing_left_to_do(started):
    sweep = started("search")
    values, kept = values_of(sweep.folder), records(sweep.folder)
    assert len(kept) == 4
    output = ended(sweep.resume())
    best = read_run(sweep.folder / str(values.index(min(values))))
    assert f"model.prior_std={best.config.model.prior_std:.4g}" in output
    assert records(sweep.folder) == kept
    assert values_of(sweep.folder) == values


def test_a_sweep_with_a_run_of_a_later_version_is_refused(started):
    sweep = started("sweep")
    path = sweep.folder / "0" / "result.json"
    later = json.dumps({**json.loads(path.read_text()), "format": 99})
    path.write_text(later)
    output = ended(sweep.resume(), code=2)
    assert "is of format 99, this version reads up to 4: update scyan_exp" in output
    assert "Traceback" not in output
    assert path.read_text() == later

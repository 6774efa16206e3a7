"""What a search keeps to: its storage, its folder, its command; and what it says of the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fleet.sweeps import QUICK, TWO, ended
from tests.search.apps import App, open_study, states
from tests.search.searches import SEARCH

FLEET = ("hydra/launcher=fleet", *SEARCH)


def contents(folder: Path) -> dict[Path, bytes]:
    """All files of a folder, but for the lock, and for what Hydra writes before we are asked."""
    files = (path for path in folder.rglob("*") if path.is_file())
    files = (path for path in files if path.name not in (".lock", "multirun.yaml"))
    return {path: path.read_bytes() for path in files}


@pytest.fixture
def refused(scyan_exp, tmp_path) -> Callable[..., str]:
    """The output of a command that must change nothing."""

    def run(*arguments: str) -> str:
        before = contents(tmp_path)
        code, output = scyan_exp(*arguments)
        assert code == 2, output
        assert "Traceback" not in output
        assert contents(tmp_path) == before
        return output

    return run


# ---------------------------------------------------------------- storage


def test_a_search_whose_journal_is_gone_does_not_begin_anew(two_trials, refused):
    (two_trials.folder / "study.journal").unlink()
    output = refused("resume", str(two_trials.folder))
    assert "study.journal: hydra.sweeper.storage: there is no such file" in output
    assert "use another folder (hydra.sweep.dir=...) for a new search" in output


def test_a_search_whose_study_is_gone_does_not_begin_anew(
    two_trials, own_search, refused, tmp_path
):
    description = json.loads((two_trials.folder / "study.json").read_text())
    description["study_name"] = "other"
    (two_trials.folder / "study.json").write_text(json.dumps(description))
    output = refused("resume", str(two_trials.folder))
    assert "this folder's search, other, is no longer there" in output


def test_a_relative_database_is_looked_for_where_the_search_began(refused, make_app, tmp_path):
    began = tmp_path / "began"
    began.mkdir()
    app = App(began / "sweep", body="return config.x", config="x: 0\n")
    arguments = ["x=interval(0,1)", "hydra.sweeper.storage=sqlite:///study.db"]
    ended(app.search(*arguments, "hydra.sweeper.n_trials=2"))
    assert (began / "study.db").is_file()
    (began / "study.db").rename(tmp_path / "elsewhere.db")
    output = ended(app.search(*arguments, "hydra.sweeper.n_trials=3"), code=1)  # of hydra.main
    assert f"sqlite:///{began / 'study.db'}: hydra.sweeper.storage: there is no such file" in output
    assert not (began / "study.db").exists()
    (tmp_path / "elsewhere.db").rename(began / "study.db")
    ended(app.search(*arguments, "hydra.sweeper.n_trials=3"))
    assert len(open_study(began / "sweep", f"sqlite:///{began / 'study.db'}").trials) == 3


def test_a_search_in_memory_is_refused(refused):
    output = refused("train", "-m", *FLEET, *QUICK, "hydra.sweeper.storage=sqlite:///:memory:")
    assert "in memory it would be lost" in output


def test_a_variable_that_is_not_set_is_named(refused):
    storage = "hydra.sweeper.storage=${oc.env:NO_SUCH_STORAGE}"
    output = refused("train", "-m", *FLEET, *QUICK, storage)
    assert "hydra.sweeper.storage: " in output
    assert "NO_SUCH_STORAGE" in output


def test_a_database_that_goes_away_is_named_with_the_way_on(make_app, tmp_path):
    (tmp_path / "there").mkdir()
    url = f"sqlite:///{tmp_path / 'there' / 'study.db'}"
    gone = tmp_path / "gone"
    body = f"""\
if config.x > 0.2 and not Path({str(gone)!r}).exists():
    Path({str(tmp_path / "there")!r}).rename({str(gone)!r})
return config.x"""
    app = make_app(body=body, config="x: 0\n")
    arguments = ["x=interval(0,1)", f"hydra.sweeper.storage={url}", "hydra.sweeper.n_trials=5"]
    output = ended(app.search(*arguments), code=1)
    assert "JobFailed: " in output
    assert f"{url} does not answer any more (OperationalError: " in output
    assert f"To go on: scyan-exp resume {app.folder}" in output
    gone.rename(tmp_path / "there")
    gone.mkdir()
    ended(app.search(*arguments))
    assert states(open_study(app.folder, url)) == ["COMPLETE"] * 5


# ---------------------------------------------------------------- others of the same name


def test_other_cells_or_objectives_do_not_join_a_study(scyan_exp, refused, tmp_path):
    shared = ["hydra.sweeper.storage=sqlite:///shared.db", "hydra.sweeper.study_name=s"]
    command = ["train", "-m", *FLEET, *QUICK, *shared, "hydra.sweeper.n_trials=1"]
    assert scyan_exp(*command, "hydra.sweep.dir=one")[0] == 0
    others = ["objective=table_agreement", "dataset.n_cells=700", "hydra.sweep.dir=two"]
    output = refused(*command, *others)
    for part in (
        "dataset.n_cells: the search was begun with 600, now it is 700",
        "objective: the search was begun with 'table_fit', now it is 'table_agreement'",
        "hydra.sweeper.study_name=s: the storage has a search of this name",
    ):
        assert part in output
    command[-1] = "hydra.sweeper.n_trials=2"
    code, output = scyan_exp(*command, "hydra.sweep.dir=two")
    assert code == 0, output
    assert len(open_study(Path("s"), "sqlite:///shared.db").trials) == 2


@pytest.mark.slow
def test_the_same_cells_elsewhere_join_a_study(scyan_exp, cells_file, table_file, tmp_path):
    (tmp_path / "b").mkdir()
    for path in (cells_file, table_file):
        shutil.copy(path, tmp_path / "b")
    quick = [one for one in QUICK if "n_cells" not in one]
    shared = ["hydra.sweeper.storage=sqlite:///shared.db", "hydra.sweeper.study_name=s"]
    for n, folder in enumerate((tmp_path, tmp_path / "b"), start=1):
        paths = [f"dataset.path={folder / 'cells.h5ad'}", f"table.path={folder / 'table.csv'}"]
        code, output = scyan_exp(
            *("train", "-m", *FLEET, *quick, "dataset=h5ad", *paths, *shared),
            *(f"hydra.sweeper.n_trials={n}", f"hydra.sweep.dir={n}"),
        )
        assert code == 0, output
    assert states(open_study(Path("s"), "sqlite:///shared.db")) == ["COMPLETE"] * 2


# ---------------------------------------------------------------- its folder


def test_a_grid_does_not_overwrite_the_trials_of_a_search(two_trials, refused):
    folder = f"hydra.sweep.dir={two_trials.folder}"
    output = refused("train", "-m", *QUICK, TWO, "hydra/launcher=fleet", "seed=1,2", folder)
    assert "this folder holds a search" in output
    assert f"go on with it: scyan-exp resume {two_trials.folder}" in output


@pytest.mark.parametrize("launcher", ["fleet", "basic"])
def test_names_may_have_apostrophes(make_app, launcher):
    app = make_app(name="donor's cells", body="return config.x", config="x: 0\n")
    arguments = ["x=interval(0,1)", "hydra.sweeper.n_trials=2"]
    ended(app.search(*arguments, launcher=launcher))
    assert states(open_study(app.folder)) == ["COMPLETE"] * 2


def test_files_of_the_best_are_found_from_anywhere(scyan_exp, cells_file, table_file, tmp_path):
    quick = [one for one in QUICK if "n_cells" not in one]
    paths = ["dataset=h5ad", "dataset.path=cells.h5ad", "table.path=table.csv"]
    arguments = [*FLEET, *quick, *paths, "hydra.sweeper.n_trials=1", "hydra.sweep.dir=sweep"]
    assert scyan_exp("train", "-m", *arguments)[0] == 0
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "sweep" / "best.yaml", tmp_path / "elsewhere" / "mine.yaml")
    text = (tmp_path / "elsewhere" / "mine.yaml").read_text()
    assert f"path: {cells_file}" in text
    assert f"path: {table_file}" in text


# ---------------------------------------------------------------- its command and its failures


@pytest.mark.parametrize("setting", ["trial=3", "prunes=true"])
def test_what_the_sweeper_sets_itself_cannot_be_changed(two_trials, refused, setting):
    output = refused("resume", str(two_trials.folder), setting)
    assert f"{setting.partition('=')[0]}: unknown setting" in output


def test_failed_trials_are_failures_of_every_start(make_app):
    body = "assert config.x < 0.5, 'too large'\nreturn config.x"
    app = make_app(body=body, config="x: 0\n")
    arguments = ["x=choice(0.1,0.9)", "hydra.sweeper.sampler=random", "hydra.sweeper.n_trials=6"]
    for _ in range(2):
        output = ended(app.search(*arguments), code=1)
        failed = states(open_study(app.folder)).count("FAIL")
        assert 0 < failed < 6
        assert f"{failed} of 6 trials failed" in output
        more = f"For more trials: scyan-exp resume {app.folder} n_trials={6 + failed}"
        assert more in output


def test_trials_that_end_after_a_failure_that_stops_are_told(make_app, tmp_path):
    flag = tmp_path / "failed"
    body = f"""\
if config.x == 0.9:
    Path({str(flag)!r}).touch()
    raise ValueError("too large")
while not Path({str(flag)!r}).exists(): time.sleep(0.05)
time.sleep(1)
return config.x"""
    app = make_app(body=body, config="x: 0\n")
    sampler = "hydra.sweeper.sampler={_target_:optuna.samplers.BruteForceSampler}"
    stop = "hydra.launcher.on_failure=stop"
    slots = "hydra.launcher.jobs_per_device=4"
    arguments = ["x=choice(0.1,0.2,0.3,0.9)", sampler, stop, slots, "hydra.sweeper.n_trials=9"]
    output = ended(app.search(*arguments), code=1)
    study = open_study(app.folder)
    assert states(study).count("FAIL") == 1
    assert states(study).count("COMPLETE") == len(study.trials) - 1 > 0
    assert f"Best: trial {study.best_trial.number}" in output


def test_a_sampler_with_nothing_more_to_try_says_so(make_app):
    app = make_app(body="return config.x", config="x: 0\n")
    sampler = "hydra.sweeper.sampler={_target_:optuna.samplers.BruteForceSampler}"
    one = "hydra.sweeper.n_parallel=1"
    output = ended(app.search("x=choice(1,2,3)", sampler, one, "hydra.sweeper.n_trials=8"))
    assert len(open_study(app.folder).trials) == 3
    assert "The sampler has nothing more to try" in output


def test_a_pareto_front_is_written_whole(make_app):
    app = make_app(body="return config.x, -config.x", config="x: 0\n")
    directions = "hydra.sweeper.directions=[minimize,minimize]"
    output = ended(app.search("x=interval(0,1)", directions, "hydra.sweeper.n_trials=12"))
    assert len(open_study(app.folder).best_trials) == 12
    assert output.count("Best: trial") == 10
    assert "... 12 trials on the Pareto front" in output

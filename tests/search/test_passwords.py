"""Passwords of storages: shown nowhere, in no file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.search.storage.urls import dashboard_command, password_problem, without_password
from tests.fleet.sweeps import QUICK, TWO, ended
from tests.search.apps import App, open_study

PASSWORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@/:?#&"), min_size=6
)


@given(PASSWORDS, st.sampled_from(["postgresql", "mysql+pymysql", "postgresql+psycopg2"]))
def test_what_is_shown_of_a_url_has_no_password(password, scheme):
    for inserted in (password, f"{password}@x", f"a:{password}"):
        url = f"{scheme}://uu:{inserted}@hh:5432/dd"
        assert without_password(url) == f"{scheme}://uu@hh:5432/dd"
        assert dashboard_command(url) == f"optuna-dashboard {scheme}://uu@hh:5432/dd"


def test_a_password_among_the_options_of_a_url_is_not_shown():
    url = "postgresql://hh/dd?user=uu&password=hunter2"
    assert "hunter2" not in without_password(url)
    assert "hunter2" not in dashboard_command(url)


@pytest.mark.parametrize("url", ["sqlite:///a.db", "sqlite:////tmp/a@b.db", "postgresql://u@h/d"])
def test_a_url_without_password_is_shown_as_it_is(url):
    assert without_password(url) == url


# ---------------------------------------------------------------- as it is written

SECRETS = [
    "postgresql://me:hunter2@db/x",
    "postgresql+psycopg2://me:hunter2@db:5432/x",
    "mysql+pymysql://me:hunter2@db/x",
    "postgresql://:hunter2@db/x",
    "postgresql://me:hun$ter2@db/x",
    "postgresql://me:hun/ter2@db/x",
    "postgresql://me:hun@ter2@db/x",
    "postgresql://me:${oc.env:PART}hunter2@db/x",
    "postgresql://db/x?user=me&password=hunter2",
    "mysql://db/x?passwd=hunter2",
]
HARMLESS = [
    None,
    "sqlite:///study.db",
    "sqlite:////tmp/a:b@c/study.db",
    "journal:///tmp/study.journal",
    "postgresql://db/x",
    "postgresql://me@db:5432/x",
    "postgresql://me:${oc.env:PASSWORD}@db/x",
    "${oc.env:URL}",
]


@pytest.mark.parametrize("url", SECRETS)
def test_a_password_that_is_written_down_is_refused_and_not_repeated(url):
    problem = password_problem(url)
    assert problem is not None
    assert "hunter2" not in problem
    assert "ter2" not in problem
    assert "oc.env" in problem


@pytest.mark.parametrize("url", HARMLESS)
def test_urls_without_a_password_are_fine(url):
    assert password_problem(url) is None


# ---------------------------------------------------------------- files and messages

SPACE = "model.prior_std=interval(0.2,0.4)"


def files_with(folder: Path, secret: str) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert len(paths) > 10
    return [str(path.relative_to(folder)) for path in paths if secret.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fleet", pytest.param("basic", marks=pytest.mark.slow)])
def test_a_url_from_the_environment_is_in_no_file_of_a_sweep(
    sweep,
    monkeypatch,
    tmp_path,
    launcher,
):
    """The files of the study itself lie elsewhere; resuming needs the variable again."""
    secret = "hunter2hunter2"
    monkeypatch.setenv("MY_STORAGE", f"sqlite:///{tmp_path}/{secret}.db")
    chosen = ["hydra/sweeper=study", *QUICK, SPACE, "hydra.sweeper.n_trials=2", "logger=wandb"]
    chosen += ["hydra.sweeper.storage=${oc.env:MY_STORAGE}", "hydra.verbose=true"]
    chosen += [TWO] if launcher == "fleet" else []
    chosen = [one for one in chosen if one != "logger=none"]
    output = ended(sweep.train(*chosen, launcher=launcher))
    assert "Traceback" not in output
    assert files_with(sweep.folder, secret) == []
    ended(sweep.resume("n_trials=3"))
    assert files_with(sweep.folder, secret) == []
    study = open_study(sweep.folder, f"sqlite:///{tmp_path}/{secret}.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3


def test_the_password_of_a_storage_that_does_not_answer_is_nowhere(tmp_path):
    app = App(tmp_path / "sweep")
    url = {"MY_STORAGE": "foo://me:hunter2hunter2@nowhere.invalid/x"}
    arguments = ["x=interval(0,1)", "hydra.sweeper.storage=${oc.env:MY_STORAGE}"]
    process = app.search(*arguments, environment=url)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "hunter2" not in out + err
    if app.folder.exists():
        left = [path for path in app.folder.rglob("*") if path.is_file()]
        assert [path for path in left if b"hunter2" in path.read_bytes()] == []

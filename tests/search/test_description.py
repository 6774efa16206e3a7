"""``study.json``: what it says, in which format, and what is read of others."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from scyan_exp.errors import InputError
from scyan_exp.search.description import (
    FORMAT,
    by_file_names,
    config_differences,
    read_description,
    version_warning,
)
from tests.fleet.sweeps import ended
from tests.search.apps import QUADRATIC_SPACE, App, open_study
from tests.search.searches import Search


def described(search: Search | App) -> dict:
    return json.loads((search.folder / "study.json").read_text())


def write(search: Search, values: dict) -> None:
    (search.folder / "study.json").write_text(json.dumps(values))


def test_the_description_says_what_is_searched_and_with_what(make_app):
    app = make_app()
    ended(app.search(*QUADRATIC_SPACE, "hydra.sweeper.n_trials=1"))
    found = described(app)
    assert found["study_name"] == "sweep"
    assert set(found["space"]) == {"x", "y", "kind", "rate"}
    assert found["directions"] == ["minimize"]
    assert (found["format"], found["optuna"]) == (FORMAT, version("optuna"))
    assert open_study(app.folder).user_attrs["optuna"] == version("optuna")


@pytest.mark.parametrize("text", ["{", "[1]", '{"id": 1}', "null"])
def test_a_damaged_description_is_named(tmp_path, scyan_exp, text):
    (tmp_path / "study.json").write_text(text)
    code, output = scyan_exp("resume", str(tmp_path))
    assert code == 2
    assert str(tmp_path / "study.json") in output
    assert "not the description of a search" in output
    assert "Traceback" not in output


def test_a_description_of_the_first_format_is_gone_on_with(two_trials, scyan_exp):
    """It had no format, no version of Optuna, and did not say what it meant by its defaults."""
    before = described(two_trials)
    later = ("format", "optuna", "meant")
    write(two_trials, {k: v for k, v in before.items() if k not in later})
    assert read_description(two_trials.folder)["format"] == 1
    code, output = scyan_exp("resume", str(two_trials.folder))
    assert code == 0, output
    assert "2 trials (2 of them have ended)" in output
    after = described(two_trials)
    assert after["format"] == FORMAT
    added = after["arguments"][len(before["arguments"]) :]
    assert "model.init=identity" in added  # what the search was begun with, now in words
    kept = {"optuna": before["optuna"], "meant": before["meant"]}
    kept["arguments"] = [*before["arguments"], *added]
    assert {**after, **kept} == {**before, **kept}
    assert after["arguments"] == kept["arguments"]


@pytest.mark.parametrize("found", [FORMAT + 1, 99])
def test_a_newer_format_is_refused_in_words(two_trials, scyan_exp, found):
    write(two_trials, {"format": found, "id": "of another shape"})
    expected = f"is of format {found}, this version reads up to {FORMAT}: update scyan_exp"
    for arguments in (
        ["resume", str(two_trials.folder)],
        ["resume", str(two_trials.folder), "x=1"],
    ):
        code, output = scyan_exp(*arguments)
        assert code == 2
        assert f"{two_trials.folder / 'study.json'}: {expected}" in output
    with pytest.raises(InputError, match=f"is of format {found}"):
        read_description(two_trials.folder)
    assert len(two_trials.finished()) == 2


@pytest.mark.parametrize(("major", "is_warned"), [(0, False), (-1, True), (1, True), (None, False)])
def test_another_major_version_of_optuna_is_worth_a_warning(major, is_warned):
    now = int(version("optuna").partition(".")[0])
    begun_with = None if major is None else f"{now + major}.9.7"
    found = version_warning(begun_with)
    assert (found is not None) == is_warned
    if found is not None:
        assert f"begun with Optuna {begun_with} and goes on with {version('optuna')}" in found
        assert f"pip install 'optuna=={begun_with}'" in found


def test_a_search_begun_with_another_optuna_goes_on_and_says_so(two_trials, scyan_exp):
    study = open_study(two_trials.folder, name="sweep")
    study.set_user_attr("optuna", "1.2.3")
    code, output = scyan_exp("resume", str(two_trials.folder))
    assert code == 0, output
    assert "this search was begun with Optuna 1.2.3" in output
    assert open_study(two_trials.folder, name="sweep").user_attrs["optuna"] == "1.2.3"


def test_the_same_cells_elsewhere_are_the_same_search():
    here = {"dataset.path": "/here/cells.h5ad", "table.path": "t.csv", "model.lr": 0.1, "seed": 0}
    there = {**here, "dataset.path": "/d/there/cells.h5ad", "table.path": None}
    assert by_file_names(here)["dataset.path"] == by_file_names(there)["dataset.path"]
    (problem,) = config_differences(by_file_names(here), by_file_names(there))
    assert problem.startswith("table.path: the search was begun with 't.csv'")
    assert here["dataset.path"] == "/here/cells.h5ad"


def test_so_are_the_same_files_elsewhere():
    """Lists of files, and the files beside them."""
    here = {"dataset.path": ["/here/a.fcs", "/here/b.fcs"], "dataset.metadata": "/here/s.csv"}
    there = {"dataset.path": ["a.fcs", "b.fcs"], "dataset.metadata": "s.csv"}
    here |= {"dataset.compensation": False, "dataset.labels": None}
    there |= {"dataset.compensation": False, "dataset.labels": None}
    assert by_file_names(here) == there
    assert by_file_names({**here, "dataset.path": ["/here/a.fcs"]}) != there


def test_names_loggers_and_devices_may_change_and_nothing_else():
    earlier = {"logger.mode": "offline", "name": "a", "trainer.devices": 1, "trainer.max_epochs": 2}
    now = {"logger.mode": "online", "name": "b", "trainer.devices": 2, "trainer.max_epochs": 2}
    assert config_differences(earlier, now) == []
    (problem,) = config_differences(earlier, {**now, "trainer.max_epochs": 3})
    assert problem.startswith("trainer.max_epochs: the search was begun with 2, now it is 3")
    (problem,) = config_differences(earlier, {**now, "model.lr": 1})
    assert "model.lr" in problem

"""One study for several sweeps, as on several machines: a storage that they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.search.apps import App, open_study, states
from tests.sweep.fleet import _end, ended, until

SPACE = ("kind=a,b", "x=interval(0,1)")
CONFIG = "kind: a\nx: 0\n"


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'shared.db'}"


@pytest.fixture
def machine(tmp_path, url) -> Callable[..., App]:
    """A folder of its own with a sweep of the same name; all use one storage."""
    apps: list[App] = []

    def make(number: int, body: str = "time.sleep(0.1)\nreturn config.x") -> App:
        (tmp_path / str(number)).mkdir()
        apps.append(App(tmp_path / str(number) / "sweep", body=body, config=CONFIG))
        return apps[-1]

    yield make
    for app in apps:
        _end(app)


def numbers(app: App) -> set[int]:
    return {int(path.name) for path in app.folder.glob("[0-9]*")}


@pytest.mark.parametrize("is_there", [True, False])
def test_two_sweeps_share_the_trials_of_one_study(machine, url, is_there):
    first, second = machine(1), machine(2)
    settings = [f"hydra.sweeper.storage={url}", "hydra.sweeper.n_trials=24"]
    if is_there:
        ended(first.search(*SPACE, settings[0], "hydra.sweeper.n_trials=1"))
    processes = [app.search(*SPACE, *settings) for app in (first, second)]
    for process in processes:
        ended(process)
    study = open_study(Path("sweep"), url)
    n_trials = len(study.trials)
    assert n_trials in (24, 25)  # counting and asking are two steps, between which the other asks
    assert states(study) == ["COMPLETE"] * n_trials
    assert numbers(first) | numbers(second) == set(range(n_trials))
    assert not numbers(first) & numbers(second)
    assert len({trial.params["x"] for trial in study.trials}) == n_trials
    for app in (first, second):
        assert {int(row["job"]) for row in app.rows} == numbers(app)


def test_trials_of_a_sweep_that_was_killed_are_left_to_it(machine, url, tmp_path):
    body = f"while not Path({str(tmp_path / 'flag')!r}).exists(): time.sleep(0.05)\nreturn config.x"
    first, second = machine(1, body), machine(2, "return config.x")
    settings = [f"hydra.sweeper.storage={url}", "hydra.sweeper.n_trials=6"]
    process = first.search(*SPACE, *settings, "hydra.sweeper.n_parallel=2")
    until(lambda: numbers(first) == {0, 1}, process)
    process.kill()
    process.communicate()
    ended(second.search(*SPACE, *settings))
    study = open_study(Path("sweep"), url)
    assert states(study) == ["RUNNING"] * 2 + ["COMPLETE"] * 4
    params = [trial.params for trial in study.trials]
    (tmp_path / "flag").touch()
    ended(first.search(*SPACE, *settings))
    study = open_study(Path("sweep"), url)
    assert states(study) == ["COMPLETE"] * 6
    assert [trial.params for trial in study.trials] == params
    assert numbers(second) == {2, 3, 4, 5}


def test_another_search_of_the_same_name_is_refused_before_its_first_trial(machine, url):
    first, second = machine(1), machine(2)
    settings = [f"hydra.sweeper.storage={url}", "hydra.sweeper.n_trials=2"]
    ended(first.search(*SPACE, *settings))
    more = ["kind=a,b,c", SPACE[1], settings[0], "hydra.sweeper.n_trials=4"]
    output = ended(second.search(*more), code=1)  # of hydra.main; scyan-exp ends with 2
    assert "InputError" in output
    assert "kind" in output
    assert "study_name" in output
    assert states(open_study(Path("sweep"), url)) == ["COMPLETE"] * 2
    ended(second.search(*more, "hydra.sweeper.study_name=other"))
    assert states(open_study(Path("other"), url)) == ["COMPLETE"] * 4


def test_another_storage_does_not_begin_a_search_anew_over_its_results(machine, url, tmp_path):
    app = machine(1)
    ended(app.search(*SPACE, f"hydra.sweeper.storage={url}", "hydra.sweeper.n_trials=2"))
    output = ended(app.search(*SPACE, "hydra.sweeper.n_trials=3"), code=1)
    assert "InputError" in output
    assert "storage" in output
    assert numbers(app) == {0, 1}

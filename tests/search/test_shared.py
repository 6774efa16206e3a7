"""One study for several sweeps, as on several machines: a storage that they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf

from scyan_exp.fleet.jobs import Job, Kept
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome
from scyan_exp.search.optuna_internals import new_trial
from scyan_exp.search.space import parse_space
from scyan_exp.search.storage.opening import open_storage
from scyan_exp.search.trials import Trials
from tests.fleet.sweeps import _end, ended, until
from tests.search.apps import App, open_study, states

SPACE = ("kind=a,b", "x=interval(0,1)")
CONFIG = "kind: a\nx: 0\n"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.db'}"
    return request.getfixturevalue("new_database")()


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


@pytest.mark.parametrize("is_there", [pytest.param(True, marks=pytest.mark.slow), False])
def test_two_sweeps_share_the_trials_of_one_study(machine, url, is_there):
    first, second = machine(1), machine(2)
    settings = [f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=24"]
    if is_there:
        ended(first.search(*SPACE, settings[0], "hydra.sweeper.n_trials=1"))
    processes = [app.search(*SPACE, *settings) for app in (first, second)]
    for process in processes:
        ended(process)
    study = open_study(Path("sweep"), url)
    # Counting and asking are two steps, between which the other may ask: such a trial waits.
    assert sorted(states(study)) in (["COMPLETE"] * 24, ["COMPLETE"] * 24 + ["WAITING"])
    complete = {trial.number for trial in study.trials if trial.state.name == "COMPLETE"}
    assert numbers(first) | numbers(second) == complete
    assert not numbers(first) & numbers(second)
    assert len({study.trials[number].params["x"] for number in complete}) == 24
    for app in (first, second):
        assert {int(row["job"]) for row in app.rows} == numbers(app)


def job(number: int, overrides: list[str]) -> Job:
    config = OmegaConf.create({"hydra": {"sweep": {"subdir": "."}}})
    return Job(number, Path(), overrides, Kept(config))


def asking(url: str, sweep: str, n_trials: int) -> Trials:
    """Trials for one of the sweeps of a study."""
    study = optuna.create_study(study_name="s", storage=open_storage(url), load_if_exists=True)
    return Trials(study, parse_space({}, ["x=interval(0,1)"]), job, n_trials, None, sweep, False)


def asked_meanwhile(monkeypatch, one: Trials, other: Trials) -> Job | None:
    """What one gets when the other asks between its counting and its making a trial."""

    def make_later(*arguments):
        monkeypatch.undo()
        assert other.next() is not None
        return new_trial(*arguments)

    monkeypatch.setattr("scyan_exp.search.trials.new_trial", make_later)
    return one.next()


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal://"])
def test_a_trial_too_many_waits_for_a_search_that_wants_more(monkeypatch, tmp_path, scheme):
    url = f"{scheme}{tmp_path / 'shared'}"
    one, other = asking(url, "one", 2), asking(url, "other", 2)
    first = one.next()
    assert first is not None
    assert asked_meanwhile(monkeypatch, one, other) is None
    study = one.study
    assert states(study) == ["RUNNING", "RUNNING", "WAITING"]
    assert one.next() is None
    one.ended(JobState(first, Outcome.COMPLETED, 0.5))
    assert one.next() is None
    more = asking(url, "other", 3)
    again, new = more.next(), more.next()
    assert (again.number, new.number) == (1, 2)
    assert more.next() is None
    assert states(study) == ["COMPLETE", "RUNNING", "RUNNING"]
    assert study.trials[2].user_attrs["sweep"] == "other"


def test_a_trial_too_many_of_a_killed_search_is_not_run_by_its_resume(url):
    asking(url, "other", 1).next()
    killed = asking(url, "one", 2)
    assert killed.next().number == 1  # it had seen room for two
    assert asking(url, "one", 1).next() is None
    assert states(killed.study) == ["RUNNING", "WAITING"]


@pytest.mark.slow
def test_trials_of_a_sweep_that_was_killed_are_left_to_it(machine, url, tmp_path):
    body = f"while not Path({str(tmp_path / 'flag')!r}).exists(): time.sleep(0.05)\nreturn config.x"
    first, second = machine(1, body), machine(2, "return config.x")
    settings = [f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=6"]
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


@pytest.mark.slow
def test_another_search_of_the_same_name_is_refused_before_its_first_trial(machine, url):
    first, second = machine(1), machine(2)
    settings = [f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=2"]
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
    ended(app.search(*SPACE, f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=2"))
    output = ended(app.search(*SPACE, "hydra.sweeper.n_trials=3"), code=1)
    assert "InputError" in output
    assert "storage" in output
    assert numbers(app) == {0, 1}

"""Searches that are killed, stopped and gone on with: real trainings, real signals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

import optuna
import pytest

from tests.fleet.sweeps import (
    QUICK,
    STEADY,
    TWO,
    Sweep,
    ended,
    no_process_is_left,
    until,
)
from tests.search.apps import open_study, states

SPACE = ("model.prior_std=interval(0.2,0.4)", "model.temperature=tag(log,interval(0.25,4))")
SEARCH = ("hydra/sweeper=study", TWO, *SPACE)
#: Trials of two seconds or so, with a checkpoint every few tenths.
SHORT = (*STEADY, "dataset.n_cells=8000", "trainer.max_epochs=12")


class Search(Sweep):
    """A search in a folder.

    Args:
        sweep: where, and with which processes.
        url: of its storage, None for the file in the folder.
    """

    def __init__(self, sweep: Sweep, url: str | None) -> None:
        self.folder, self.token, self.started = sweep.folder, sweep.token, sweep.started
        self.url = url

    def begin(self, *arguments: str) -> subprocess.Popen:
        """Start it."""
        stored = () if self.url is None else (f"hydra.sweeper.storage='{self.url}'",)
        return self.train(*SEARCH, *stored, *arguments)

    @property
    def study(self) -> optuna.Study | None:
        """The study; None before there is one."""
        with suppress(KeyError, FileNotFoundError):
            if self.url is None and not (self.folder / "study.journal").exists():
                return None
            return open_study(self.folder, self.url)
        return None

    def finished(self) -> dict[int, tuple]:
        """What must never change again: trials that have ended, and their results."""
        kept = {}
        for trial in self.study.trials if self.study is not None else ():
            if trial.state.is_finished():
                result = (self.folder / str(trial.number) / "result.json").read_bytes()
                began_and_ended = (trial.datetime_start, trial.datetime_complete)
                values = (trial.state, trial.values, trial.intermediate_values)
                kept[trial.number] = (values, trial.params, began_and_ended, result)
        return kept

    def params(self) -> list[dict]:
        """Of all trials, in order."""
        return [] if self.study is None else [trial.params for trial in self.study.trials]


@pytest.fixture(
    params=[
        "journal",
        pytest.param("sqlite", marks=pytest.mark.slow),
        pytest.param("postgresql", marks=pytest.mark.slow),
    ]
)
def search(request, sweep, tmp_path) -> Search:
    url = None if request.param == "journal" else f"sqlite:///{tmp_path / 'study.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("new_database")()
    return Search(sweep, url)


@pytest.fixture
def own_search(sweep) -> Search:
    """A search with the default storage."""
    return Search(sweep, None)


def assert_whole(search: Search, n_trials: int) -> None:
    """Exactly so many trials have ended; each number, folder and table row belongs to one."""
    study = search.study
    assert study is not None
    assert len(study.trials) == n_trials
    assert set(states(study)) <= {"COMPLETE", "PRUNED"}
    assert len({tuple(trial.params.values()) for trial in study.trials}) == n_trials
    assert [row["job"] for row in search.rows] == [str(n) for n in range(n_trials)]
    for trial in study.trials:
        assert trial.params.keys() == {"model.prior_std", "model.temperature"}
        result = search.result(trial.number)
        pruned = trial.state.name == "PRUNED"
        assert result["status"] == ("pruned" if pruned else "completed")
        assert result["objective"] == (None if pruned else trial.value)
        overrides = (search.folder / str(trial.number) / ".hydra/overrides.yaml").read_text()
        for key, value in trial.params.items():
            assert f"- {key}={value!r}\n" in overrides
    folders = {path.parent.name for path in search.folder.glob("*/result.json")}
    assert folders == {str(n) for n in range(n_trials)}
    no_process_is_left(search)


def kill_some_worker(search: Search, chance: random.Random) -> None:
    """Kill one of the processes that train, if there is any."""
    numbers = [int(path.name) for path in search.folder.glob("[0-9]*")]
    workers = [pid for number in numbers if (pid := search.worker(number)) is not None]
    if workers:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)


def go_on(search: Search, arguments: Sequence[str]) -> subprocess.Popen:
    """Resume a search; one that was killed before it was described begins again."""
    if (search.folder / "study.json").exists():
        return search.resume()
    return search.begin(*arguments)


def kill_and_resume(
    search: Search, arguments: Sequence[str], n_trials: int, n_kills: int, longest: float
) -> None:
    """Kill workers and sweeper at random moments; nothing that has ended may change."""
    arguments = [*arguments, f"hydra.sweeper.n_trials={n_trials}"]
    kept: dict[int, tuple] = {}
    drawn: list[dict] = []
    for i in range(n_kills):
        chance = random.Random(i)
        process = go_on(search, arguments)
        ends = time.monotonic() + chance.uniform(3, longest)
        strikes = time.monotonic() + chance.uniform(3, longest)
        while time.monotonic() < ends and process.poll() is None:
            if time.monotonic() > strikes:
                kill_some_worker(search, chance)
                strikes += chance.uniform(1, longest)
            time.sleep(0.01)
        assert process.poll() in (None, 0), process.communicate()
        process.kill()
        process.communicate()
        no_process_is_left(search)
        now, params = search.finished(), search.params()
        assert {number: now.get(number) for number in kept} == kept
        complete = [one for one in drawn if len(one) == len(SPACE)]
        assert params[: len(complete)] == complete
        assert len(params) <= n_trials
        kept, drawn = now, params
    ended(go_on(search, arguments))
    now = search.finished()
    assert {number: now.get(number) for number in kept} == kept
    assert_whole(search, n_trials)
    # One that was killed while it was asked for may have had some of its parameters.
    after = search.params()[: len(drawn)]
    assert all(old.items() <= new.items() for old, new in zip(drawn, after, strict=True))


def test_a_killed_search_loses_and_repeats_nothing(search):
    kill_and_resume(search, SHORT, n_trials=6, n_kills=2, longest=9)


@pytest.mark.slow
def test_an_often_killed_search_loses_and_repeats_nothing(search):
    kill_and_resume(search, SHORT, n_trials=16, n_kills=10, longest=11)


@pytest.mark.slow
def test_an_often_killed_search_with_repeats_and_pruning(own_search):
    pruner = "hydra.sweeper.pruner={_target_: optuna.pruners.PercentilePruner, percentile: 30.0}"
    arguments = [*SHORT, "dataset.n_cells=4000", "repeats=2", pruner, "model.modulo_temp=2"]
    kill_and_resume(own_search, arguments, n_trials=8, n_kills=6, longest=12)


@pytest.mark.slow
def test_a_trial_that_was_only_asked_for_is_run(search):
    """Its sweeper was killed after it had asked for the trial and before it wrote anything else."""
    ended(search.begin(*QUICK, "hydra.sweeper.n_trials=1"))
    before = search.finished()
    owner = {"sweep": search.study.trials[0].user_attrs["sweep"]}
    asked = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, user_attrs=owner)
    search.study.add_trial(asked)
    assert states(search.study) == ["COMPLETE", "RUNNING"]
    ended(search.resume("n_trials=3"))
    assert {number: search.finished()[number] for number in before} == before
    assert_whole(search, 3)


# ---------------------------------------------------------------- signals


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_one_signal_saves_what_runs_and_resume_continues(own_search, number):
    process = own_search.begin(*STEADY, "hydra.sweeper.n_trials=3")
    until(lambda: min(own_search.epochs(0), own_search.epochs(1)) > 0, process)
    process.send_signal(number)
    output = ended(process, code=130)
    assert f"To go on: scyan-exp resume {own_search.folder}" in output
    assert "Traceback" not in output
    no_process_is_left(own_search)
    assert own_search.statuses == ["interrupted", "interrupted"]
    assert states(own_search.study) == ["RUNNING", "RUNNING"]
    params = own_search.params()
    ended(own_search.resume())
    assert own_search.params()[:2] == params
    assert all("Continuing from" in own_search.log(job) for job in (0, 1))
    assert_whole(own_search, 3)


@pytest.mark.slow
def test_two_signals_end_at_once_and_resume_runs_the_same_trials(own_search):
    slow = [*STEADY, "dataset.n_cells=60000", "model.batch_size=30", "trainer.max_epochs=1"]
    process = own_search.begin(*slow, "hydra.sweeper.n_trials=2")
    until(lambda: own_search.worker(0) and own_search.worker(1), process)
    until((own_search.folder / "1" / "result.json").exists, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130, timeout=20)
    assert "Traceback" not in output
    no_process_is_left(own_search, seconds=5)
    assert states(own_search.study) == ["RUNNING", "RUNNING"]
    params = own_search.params()
    process = own_search.resume()
    until(lambda: own_search.worker(0) and own_search.worker(1), process)
    assert own_search.params() == params
    process.kill()


@pytest.mark.slow
def test_ctrl_c_under_the_basic_launcher_keeps_the_trial(own_search):
    where = [f"hydra.sweep.dir={own_search.folder}", "hydra/sweeper=study", *SPACE]
    command = ["train", "-m", *STEADY, *where, "hydra.sweeper.n_trials=2"]
    process = own_search._start(*command)
    until(lambda: own_search.epochs(0) > 0, process)
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130)
    assert "To go on: scyan-exp resume" in output
    assert own_search.result(0)["status"] == "interrupted"
    assert states(own_search.study) == ["RUNNING"]
    params = own_search.params()
    ended(own_search.resume())
    assert own_search.params()[:1] == params
    assert "Continuing from" in own_search.log(0)
    assert_whole(own_search, 2)

"""Searches that are killed, stopped and gone on with: real trainings, real signals."""

from __future__ import annotations

import signal
import time

import optuna
import pytest

from tests.fleet.sweeps import QUICK, STEADY, ended, no_process_is_left, until
from tests.search.apps import states
from tests.search.searches import SHORT, SPACE, Search, assert_whole, kill_and_resume


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


@pytest.mark.slow
def test_an_often_killed_search_loses_and_repeats_nothing(search):
    kill_and_resume(search, SHORT, n_trials=7, n_kills=4, longest=7)


@pytest.mark.slow
def test_an_often_killed_search_with_repeats_and_pruning(own_search):
    pruner = "hydra.sweeper.pruner={_target_: optuna.pruners.PercentilePruner, percentile: 30.0}"
    arguments = [*SHORT, "dataset.n_cells=4000", "repeats=2", pruner, "model.modulo_temp=2"]
    kill_and_resume(own_search, arguments, n_trials=5, n_kills=3, longest=8)


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
    output = ended(process, code=130, timeout=60)
    assert "Traceback" not in output
    no_process_is_left(own_search)
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

"""Searches whose trials have repeats: those far behind get no more of them. Real trainings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.fleet.sweeps import QUICK, Sweep, ended, shared
from tests.search.apps import open_study
from tests.search.searches import SHORT, kill_and_resume

#: A pruner that never prunes by epochs: what is pruned here is pruned by repeats.
NEVER = "hydra.sweeper.pruner={_target_: optuna.pruners.NopPruner}"
SEARCH = (
    *QUICK,
    *("hydra/sweeper=study", NEVER, "objective=loss", "repeats=3"),
    *("model.lr=choice(0.00001,0.003,0.01)", "hydra.sweeper.sampler=random"),
    *("hydra.sweeper.seed=7", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_parallel=1"),
)
ONE = "hydra.launcher.jobs_per_device=1"


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Sweep:
    """A search that has ended, one training after the other."""
    return shared(tmp_path_factory, "pruned-repeats", [*SEARCH, ONE])


def assert_decided(sweep: Sweep) -> None:
    """Trials that were pruned lack repeats, are worse than the best, and have their mean."""
    study = open_study(sweep.folder)
    by_state = {"COMPLETE": [], "PRUNED": []}
    for trial in study.trials:
        by_state[trial.state.name].append(trial)
    assert by_state["PRUNED"]
    assert len(by_state["COMPLETE"]) >= 2  # before, nothing is known of the spread
    for trial in study.trials:
        folder = sweep.folder / str(trial.number)
        records = [
            json.loads((folder / f"seed_{seed}" / "result.json").read_text())
            for seed in range(3)
            if (folder / f"seed_{seed}").exists()
        ]
        values = [one["objective"] for one in records]
        assert trial.value == pytest.approx(np.mean(values))
        assert trial.user_attrs["repeats"] == values
        result = sweep.result(trial.number)
        if trial.state.name == "COMPLETE":
            assert (len(values), result["status"]) == (3, "completed")
            continue
        assert (len(values) < 3, result["status"], result["objective"]) == (True, "pruned", None)
        assert result["metrics"]["loss"] == pytest.approx(np.mean(values))
        assert result["repeats"]["finished"] == [0, 1][: len(values)]
        assert result["epochs"] == sum(one["epochs"] for one in records)
        assert trial.value > study.best_value
        assert not (folder / "annotated.h5ad").exists()
        row = sweep.rows[trial.number]
        assert (row["status"], row["objective"]) == ("pruned", "")
        assert float(row["loss"]) == pytest.approx(np.mean(values))


def test_trials_far_behind_get_no_more_repeats(searched):
    assert_decided(searched)


@pytest.mark.slow
def test_so_do_those_of_another_launcher(sweep):
    ended(sweep.train(*SEARCH, launcher="basic"), timeout=400)
    assert_decided(sweep)
    pruned = sweep.statuses.index("pruned")
    assert "of 3 repeats: too far behind the best" in sweep.log(pruned)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["hydra.sweeper.min_chance=0", "hydra.sweeper.pruner=none"])
def test_all_repeats_are_trained_when_that_is_wanted(sweep, setting):
    ended(sweep.train(*SEARCH, ONE, setting))
    assert sweep.statuses == ["completed"] * 3


@pytest.mark.slow
def test_an_often_killed_search_whose_trials_are_decided(own_search):
    arguments = [*SHORT, "dataset.n_cells=2000", "repeats=3", NEVER, "hydra.sweeper.min_chance=0.4"]
    kill_and_resume(own_search, arguments, n_trials=6, n_kills=4, longest=9)


def test_the_best_is_not_shown_without_the_verdict_on_it(searched):
    """So few cells, and so little training, are not to be trusted."""
    output = (searched.folder.parent / "output.txt").read_text()
    best = open_study(searched.folder).best_trial
    verdict = searched.result(best.number)["trust"]["verdict"]
    assert best.user_attrs["verdict"] == verdict == "do not use"
    lines = output.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith(f"Best: trial {best.number},")]
    assert lines[at + 2].startswith("  do not use: ")
    reasons = searched.result(best.number)["trust"]["reasons"]
    assert reasons[0] in lines[at + 2]
    assert lines[at + 3] == (
        "  no trial has an annotation that can be used: look at the table and the transform"
    )

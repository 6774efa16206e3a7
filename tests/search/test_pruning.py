"""Trials that a search prunes: real trainings, read back from the study, the files and W&B."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest

from tests.conftest import CommandLine
from tests.fleet.sweeps import TWO, Sweep, ended, no_process_is_left, shared
from tests.run.test_wandb import inspect, runs_of, summary
from tests.search.apps import open_study, states

#: Trainings of a second: warm-up in epochs 0 and 1, and no temperature in every second one.
SMALL = (
    "dataset.n_cells=1500",
    "flow=shallow",
    "model.batch_size=300",
    "model.warm_up=[0.4,2]",
    "model.modulo_temp=2",
    "trainer.max_epochs=8",
    "callbacks=none",
    "figures.draw=none",
)
REPORTED = [2, 4, 6]
LR = "model.lr=tag(log,interval(1e-5,1e-2))"
#: Prunes whatever reports more than nothing: all losses and other metrics do.
ALWAYS = "hydra.sweeper.pruner={_target_: optuna.pruners.ThresholdPruner, upper: -1e9}"
#: Prunes what is not among the better half of the trials before.
HALF = (
    "hydra.sweeper.pruner={_target_: optuna.pruners.PercentilePruner, percentile: 50.0, "
    "n_startup_trials: 1}"
)


def search(
    sweep: Sweep,
    *arguments: str,
    launcher: str = "fleet",
    code: int = 0,
) -> str:
    return ended(sweep.train(*chosen(arguments, launcher), launcher=launcher), code=code)


def search_here(
    scyan_exp: CommandLine, sweep: Sweep, *arguments: str, launcher: str = "fleet"
) -> str:
    """As :func:`search`, in this process; its workers are still others."""
    where = [f"hydra.sweep.dir={sweep.folder}", f"hydra/launcher={launcher}"]
    code, output = scyan_exp("train", "-m", *where, *chosen(arguments, launcher))
    assert code == 0, output
    return output


def chosen(arguments: Sequence[str], launcher: str) -> list[str]:
    logger = [] if any(one.startswith("logger") for one in arguments) else ["logger=none"]
    slots = [TWO] if launcher == "fleet" else []
    return ["hydra/sweeper=study", *SMALL, *logger, *arguments, *slots]


def losses(folder: Path) -> dict[int, float]:
    """The loss of every epoch, as a run wrote it."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["loss"]]
    return {int(row["epoch"]): float(row["loss"]) for row in rows}


def by_state(study: optuna.Study) -> dict[str, list[optuna.trial.FrozenTrial]]:
    found: dict[str, list] = {"COMPLETE": [], "PRUNED": []}
    for trial in study.trials:
        found[trial.state.name].append(trial)
    return found


@pytest.mark.parametrize("launcher", ["fleet", pytest.param("basic", marks=pytest.mark.slow)])
def test_a_pruned_run_is_no_failure(sweep, launcher):
    output = search(
        sweep, ALWAYS, LR, "hydra.sweeper.n_trials=3", "logger=wandb", launcher=launcher
    )
    study = open_study(sweep.folder)
    assert states(study) == ["PRUNED"] * 3
    assert sweep.statuses == ["pruned"] * 3
    assert "Traceback" not in output
    assert "Best" not in output
    for trial in study.trials:
        assert list(trial.intermediate_values) == REPORTED[:1]
        result = sweep.result(trial.number)
        assert (result["status"], result["objective"]) == ("pruned", None)
        assert result["error"] is None
        assert result["epochs"] == REPORTED[0] + 1
        assert not (sweep.folder / str(trial.number) / "annotated.h5ad").exists()
        assert "pruned by the search after 3 epochs" in sweep.log(trial.number)
        (path,) = runs_of(sweep.folder / str(trial.number))
        seen = summary(path)
        assert (seen["state"], seen["exit_code"]) == ("finished", 0)
        assert seen["run_id"] == result["wandb_run_id"]
        (run,) = [r for r in map(json.loads, inspect(path).splitlines()) if r["type"] == "run"]
        assert run["run"]["run_group"] == sweep.folder.name
    assert not (sweep.folder / "best.yaml").exists()
    no_process_is_left(sweep)


@pytest.fixture(scope="module")
def half_pruned(tmp_path_factory) -> Sweep:
    """A search that has ended, one trial after the other, and pruned those behind."""
    settings = [HALF, LR, "hydra.sweeper.n_trials=7", "hydra.sweeper.n_parallel=1"]
    return shared(tmp_path_factory, "half-pruned", chosen(settings, "fleet"))


def test_only_epochs_of_the_final_prior_without_temperature_are_reported(half_pruned):
    assert_only_final_epochs_are_reported(half_pruned)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fleet", "basic"])
def test_only_such_epochs_are_reported_of_trials_at_the_same_time(sweep, launcher):
    search(sweep, HALF, LR, "hydra.sweeper.n_trials=5", launcher=launcher)
    assert_only_final_epochs_are_reported(sweep)


def assert_only_final_epochs_are_reported(sweep: Sweep) -> None:
    trials = by_state(open_study(sweep.folder))
    assert trials["COMPLETE"]
    assert trials["PRUNED"]
    for trial in trials["COMPLETE"]:
        assert list(trial.intermediate_values) == REPORTED
        assert sweep.result(trial.number)["epochs"] == 8
    for trial in trials["PRUNED"]:
        seen = list(trial.intermediate_values)
        assert seen == REPORTED[: len(seen)]
        assert sweep.result(trial.number)["epochs"] == seen[-1] + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "monitor", "direction"),
    [
        ("accuracy", "objective", "maximize"),
        ("loss", "objective", "minimize"),
        ("accuracy", "loss", "maximize"),
        ("heuristic", "loss", "minimize"),
    ],
)
def test_the_worse_are_pruned_by_any_objective(sweep, objective, monitor, direction):
    settings = [f"objective={objective}", f"hydra.sweeper.monitor={monitor}", HALF, LR]
    settings += ["hydra.sweeper.n_trials=7", "hydra.sweeper.n_parallel=1"]
    search(sweep, *settings)
    assert_worse_are_pruned(sweep, objective, monitor, direction)


def test_the_worse_are_pruned(half_pruned):
    assert_worse_are_pruned(half_pruned, "table_fit", "objective", "maximize")


def assert_worse_are_pruned(sweep: Sweep, objective: str, monitor: str, direction: str) -> None:
    """Of each trial that was pruned, most that ran that far before had been better there."""
    study = open_study(sweep.folder)
    assert [one.name.lower() for one in study.directions] == [direction]
    trials = by_state(study)
    assert trials["PRUNED"]
    sign = 1 if direction == "minimize" else -1
    for trial in trials["PRUNED"]:
        step = trial.last_step
        mine = min(sign * value for value in trial.intermediate_values.values())
        before = [
            sign * other.intermediate_values[step]
            for other in trials["COMPLETE"]
            if other.number < trial.number
        ]
        assert mine >= min(before)
    for trial in study.trials:
        of_epochs = losses(sweep.folder / str(trial.number))
        for epoch, value in trial.intermediate_values.items():
            if monitor == "loss" or objective == "loss":
                assert value == pytest.approx(sign * of_epochs[epoch], rel=1e-6)
            elif objective == "accuracy":
                assert 0 <= value <= 1


@pytest.mark.slow
def test_a_maximised_objective_keeps_the_accurate(sweep):
    """A threshold on the accuracy prunes those below it and no other."""
    lower = "hydra.sweeper.pruner={_target_: optuna.pruners.ThresholdPruner, lower: 0.5}"
    search(sweep, "objective=accuracy", lower, LR, "hydra.sweeper.n_trials=6")
    for trial in open_study(sweep.folder).trials:
        values = list(trial.intermediate_values.values())
        assert (trial.state.name == "PRUNED") == (values[-1] < 0.5)
        assert all(value >= 0.5 for value in values[:-1])


@pytest.mark.parametrize("launcher", ["fleet", pytest.param("basic", marks=pytest.mark.slow)])
def test_of_a_run_with_repeats_the_first_training_is_pruned(sweep, scyan_exp, launcher):
    settings = [ALWAYS, LR, "repeats=2", "hydra.sweeper.n_trials=2"]
    output = search_here(scyan_exp, sweep, *settings, launcher=launcher)
    assert "Traceback" not in output
    study = open_study(sweep.folder)
    assert states(study) == ["PRUNED"] * 2
    assert sweep.statuses == ["pruned"] * 2
    for trial in study.trials:
        folder = sweep.folder / str(trial.number)
        assert list(trial.intermediate_values) == REPORTED[:1]
        assert sweep.result(trial.number)["status"] == "pruned"
        first = json.loads((folder / "seed_0" / "result.json").read_text())
        assert first["status"] == "pruned"
        assert sweep.result(trial.number)["epochs"] == first["epochs"] > 0
        assert not (folder / "seed_1").exists()
        assert not (folder / "annotated.h5ad").exists()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fleet", pytest.param("basic", marks=pytest.mark.slow)])
def test_repeats_that_are_not_pruned_report_those_of_the_first_seed(sweep, scyan_exp, launcher):
    """The objective of the trial is the mean of its trainings."""
    settings = [HALF, LR, "repeats=2", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_parallel=2"]
    search_here(scyan_exp, sweep, *settings, launcher=launcher)
    trials = by_state(open_study(sweep.folder))
    assert trials["COMPLETE"]
    for trial in trials["COMPLETE"]:
        assert list(trial.intermediate_values) == REPORTED
        folder = sweep.folder / str(trial.number)
        records = [
            json.loads((folder / f"seed_{seed}" / "result.json").read_text()) for seed in (0, 1)
        ]
        values = [record["metrics"]["table_fit"] for record in records]
        assert trial.value == pytest.approx(sum(values) / 2)
    assert set(sweep.statuses) <= {"completed", "pruned"}
    assert len(sweep.rows) == 3


@pytest.mark.slow
def test_pruned_trials_count_and_stay_when_the_search_goes_on(sweep):
    search(sweep, ALWAYS, LR, "hydra.sweeper.n_trials=2")
    kept = {path: path.read_bytes() for path in sorted(sweep.folder.glob("*/result.json"))}
    ended(sweep.resume("n_trials=3"))
    assert {path: path.read_bytes() for path in kept} == kept
    study = open_study(sweep.folder)
    assert states(study) == ["PRUNED"] * 3
    assert sweep.statuses == ["pruned"] * 3


@pytest.mark.parametrize("settings", [["hydra.sweeper.pruner=none"], ["hydra.sweeper.pruner=null"]])
@pytest.mark.slow
def test_without_a_pruner_nothing_is_reported(sweep, settings):
    search(sweep, *settings, LR, "hydra.sweeper.n_trials=2")
    trials = open_study(sweep.folder).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 2
    assert [trial.intermediate_values for trial in trials] == [{}, {}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pruner", "storage"),
    [
        ("auto", "sqlite"),
        ("median", "journal"),
        ("stalled", "sqlite"),
        ("halving", "journal"),
        ("hyperband", "sqlite"),
    ],
)
def test_every_pruner_by_its_name_lets_a_search_end(sweep, tmp_path, pruner, storage):
    settings = [f"hydra.sweeper.pruner={pruner}", LR, "hydra.sweeper.n_trials=5"]
    url = None if storage == "journal" else f"sqlite:///{tmp_path}/study.db"
    if url is not None:
        settings.append(f"hydra.sweeper.storage={url}")
    search(sweep, *settings, "trainer.max_epochs=12")
    study = open_study(sweep.folder, url)
    assert len(study.trials) == 5
    assert set(states(study)) <= {"COMPLETE", "PRUNED"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fleet", "basic"])
def test_trials_report_also_from_folders_of_their_own(sweep, make_sweep, launcher):
    """With ``hydra.job.chdir`` the storage is still found, when its path is relative."""
    chdir = ["hydra.job.chdir=true", "hydra.sweep.dir=sweep"]
    storage = "hydra.sweeper.storage='sqlite:///study.db'"
    url = f"sqlite:///{sweep.folder.parent / 'study.db'}"
    search(sweep, *chdir, ALWAYS, LR, "hydra.sweeper.n_trials=2", launcher=launcher)
    assert states(open_study(sweep.folder)) == ["PRUNED"] * 2
    other = make_sweep("other")
    chdir[1] = "hydra.sweep.dir=other"
    search(other, *chdir, storage, ALWAYS, LR, "hydra.sweeper.n_trials=2", launcher=launcher)
    assert states(open_study(other.folder, url)) == ["PRUNED"] * 2

"""What is private of Optuna: in one file, and as a search needs it."""

from __future__ import annotations

import ast
from pathlib import Path

import optuna
import pytest

import scyan_exp
from scyan_exp.search.optuna_internals import StoredTrial, new_trial, when_exhausted
from scyan_exp.search.storage.opening import open_storage

ROOT = Path(scyan_exp.__file__).parents[1]
#: Private attributes of Optuna's objects that anybody here was ever tempted by.
PRIVATE = {"_storage", "_study_id", "_trial_id", "_thread_local"}


def private_names(path: Path) -> set[str]:
    """Private names of other objects than oneself, and methods that are replaced."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
            if node.attr in PRIVATE and not is_own:
                found.add(node.attr)
        if isinstance(node, ast.Assign):
            targets = [ast.unparse(target) for target in node.targets]
            found |= {target for target in targets if target.endswith("study.stop")}
    return found


def test_private_names_of_optuna_stand_in_one_file():
    folders = (ROOT / "scyan_exp", ROOT / "hydra_plugins", ROOT / "tests", ROOT / "benchmarks")
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    found = {path.name: names for path in paths if (names := private_names(path))}
    expected = {"_storage", "_study_id", "study.stop"}
    assert found == {"optuna_internals.py": expected}


@pytest.fixture(params=["journal://", "sqlite:///"])
def study(request, tmp_path) -> optuna.Study:
    storage = open_storage(f"{request.param}{tmp_path / 'study'}")
    return optuna.create_study(study_name="s", storage=storage)


def test_a_new_trial_has_its_attributes_and_is_like_one_that_was_asked_for(study):
    trial = new_trial(study, {"sweep": "one"})
    trial.suggest_float("x", 0, 1)
    asked = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    ours, theirs = study.trials
    assert (trial.number, asked.number) == (0, 1)
    assert (ours.user_attrs, theirs.user_attrs) == ({"sweep": "one"}, {})
    assert (ours.state, ours.distributions) == (theirs.state, theirs.distributions)
    assert ours.datetime_start <= theirs.datetime_start
    study.tell(trial, 1.0)
    assert study.trials[0].value == 1.0


def test_a_trial_that_runs_again_keeps_its_number_and_its_parameters(study):
    before = study.ask()
    x = before.suggest_float("x", 0, 1)
    again = StoredTrial(study, before.number).again()
    assert again.number == before.number
    assert again.suggest_float("x", 0, 1) == x
    again.suggest_float("y", 0, 1)
    study.tell(again.number, 2.0)
    assert [(trial.value, len(trial.params)) for trial in study.trials] == [(2.0, 2)]


def test_a_trial_that_is_put_back_is_the_next_that_is_asked_for(study):
    number = new_trial(study, {}).number
    StoredTrial(study, number).put_back()
    assert study.trials[number].state.name == "WAITING"
    assert study.ask().number == number
    assert study.ask().number == number + 1


def test_what_is_reported_and_noted_is_read_again_until_the_trial_has_ended(study):
    trial = StoredTrial(study, study.ask().number)
    trial.report(3, 0.5)
    trial.set_attr("error", "none")
    assert trial.read().intermediate_values == {3: 0.5}
    study.tell(0, 1.0)
    trial.set_attr("error", "too late")
    assert trial.read().user_attrs == {"error": "none"}
    assert study.trials[0].intermediate_values == {3: 0.5}


def test_a_sampler_of_a_finite_space_says_when_it_has_tried_everything():
    sampler = optuna.samplers.GridSampler({"x": [1, 2]}, seed=0)
    study = optuna.create_study(sampler=sampler)
    calls = []
    when_exhausted(study, lambda: calls.append(len(study.trials)))
    for _ in range(2):
        trial = study.ask()
        study.tell(trial, trial.suggest_int("x", 1, 2))
    assert calls == [2]

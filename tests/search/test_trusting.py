"""What is said of a best trial whose annotation should not be used."""

from __future__ import annotations

import optuna
import pytest

from scyan_exp.results.verdict import Level
from scyan_exp.run.record import DO_NOT_USE, RunRecord
from scyan_exp.search.trusting import VERDICT, advice, best_usable, in_words


def study_of(*verdicts: str, direction: str = "minimize") -> optuna.Study:
    """Completed trials with the objectives 0, 1, 2, ... and these verdicts."""
    study = optuna.create_study(direction=direction)
    for number, verdict in enumerate(verdicts):
        trial = study.ask()
        trial.set_user_attr(VERDICT, verdict)
        study.tell(trial, float(number))
    return study


def test_the_word_is_that_of_the_verdict():
    assert Level.DO_NOT_USE.value == DO_NOT_USE


@pytest.mark.parametrize(("direction", "usable"), [("minimize", 1), ("maximize", 2)])
def test_the_best_that_can_be_used_is_named(direction, usable):
    verdicts = (DO_NOT_USE, "good", Level.LOOK.value, DO_NOT_USE)
    study = study_of(*verdicts, direction=direction)
    assert best_usable(study).number == usable
    found = advice(study, study.best_trial)
    assert found.endswith(f"The best trial that can be used is {usable}, with {usable}")


def test_where_none_can_be_used_that_is_said():
    study = study_of(DO_NOT_USE, DO_NOT_USE)
    assert best_usable(study) is None
    assert advice(study, study.best_trial).startswith("no trial has an annotation that can be used")


@pytest.mark.parametrize("verdict", ["good", "", Level.LOOK.value])
def test_a_best_trial_that_can_be_used_needs_no_advice(verdict):
    study = study_of(verdict)
    assert advice(study, study.best_trial) is None


def test_of_a_front_the_table_is_referred_to():
    study = optuna.create_study(directions=["minimize", "maximize"])
    trial = study.ask()
    trial.set_user_attr(VERDICT, DO_NOT_USE)
    study.tell(trial, [1.0, 2.0])
    assert advice(study, study.best_trials[0]).endswith("look at the verdicts in the table")


def test_the_verdict_comes_with_its_reasons_where_the_run_lies(tmp_path):
    study = study_of(DO_NOT_USE, "good", "", Level.LOOK.value)
    RunRecord(tmp_path / "0", "hash", 0, trust={"reasons": ["one, or", "two"]}).write()
    texts = [in_words(trial, tmp_path) for trial in study.trials]
    assert texts == ["do not use: one, or; two", None, None, "look at these populations"]
    RunRecord(tmp_path / "0", "hash", 0, trust={"reasons": list("abcde")}).write()
    assert in_words(study.trials[0], tmp_path) == "do not use: a; b; c; and 2 more in result.json"

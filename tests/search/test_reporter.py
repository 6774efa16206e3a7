"""What a running job tells its search."""

from __future__ import annotations

import logging

import optuna
import pytest

from scyan_exp.search.reporter import RunningTrial
from scyan_exp.search.settings import check_study
from scyan_exp.search.storage.opening import open_storage


def test_a_database_that_is_away_costs_reports_and_not_the_training(tmp_path, caplog):
    folder, away = tmp_path / "there", tmp_path / "away"
    folder.mkdir()
    url = f"sqlite:///{folder / 'study.db'}"
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    study.ask()
    trial = RunningTrial(check_study({"pruner": "median"}), url, "s", 0)
    assert not trial.report(0, 3.0)
    folder.rename(away)
    with caplog.at_level(logging.WARNING):
        assert not trial.report(1, 2.0)
    assert "epoch 1 is not reported to the search: OperationalError" in caplog.text
    away.rename(folder)
    assert not trial.report(2, 1.0)
    assert study.trials[0].intermediate_values == {0: 3.0, 2: 1.0}


class Broken(optuna.pruners.BasePruner):
    """A pruner with a mistake in it."""

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        raise ZeroDivisionError("of the pruner")


@pytest.mark.parametrize("scheme", ["journal://", "sqlite:///"])
def test_an_error_that_is_not_the_databases_ends_the_training(tmp_path, monkeypatch, scheme):
    """Else a search with a broken pruner would look like one that prunes nothing."""
    url = f"{scheme}{tmp_path / 'study'}"
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    study.ask()
    monkeypatch.setattr("scyan_exp.search.reporter.make_pruner", lambda chosen: Broken())
    trial = RunningTrial(check_study({"pruner": "median"}), url, "s", 0)
    with pytest.raises(ZeroDivisionError, match="of the pruner"):
        trial.report(0, 3.0)
    assert study.trials[0].intermediate_values == {0: 3.0}


def test_a_trial_that_has_ended_meanwhile_takes_no_more_reports(tmp_path):
    url = f"journal://{tmp_path / 'study'}"
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    study.ask()
    settings = check_study({"pruner": {"_target_": "optuna.pruners.ThresholdPruner", "upper": 1.0}})
    trial = RunningTrial(settings, url, "s", 0)
    assert trial.report(0, 3.0)  # the pruner ends it
    study.tell(0, state=optuna.trial.TrialState.FAIL)
    assert not trial.report(1, 4.0)
    assert study.trials[0].intermediate_values == {0: 3.0}

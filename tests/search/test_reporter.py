"""What a running job tells its search."""

from __future__ import annotations

import logging

import optuna

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

"""Limits that a trial must keep to be among the best."""

from __future__ import annotations

import json

import pytest

from scyan_exp.errors import InputError
from scyan_exp.search.best_folders import best_folders
from scyan_exp.search.constraints import Constraint, constraint_problems, parse_constraints
from scyan_exp.search.settings import check_study
from tests.fleet.sweeps import QUICK
from tests.search.apps import open_study


def test_a_constraint_is_a_metric_a_sign_and_a_number():
    texts = ["n_missing_populations<=0", " table_agreement >= 0.7 ", "loss<=1e3", "accuracy>=.9"]
    assert parse_constraints(texts) == [
        Constraint("n_missing_populations", "<=", 0.0),
        Constraint("table_agreement", ">=", 0.7),
        Constraint("loss", "<=", 1000.0),
        Constraint("accuracy", ">=", 0.9),
    ]
    assert constraint_problems(texts) == []
    written = ["n_missing_populations<=0", "table_agreement>=0.7", "loss<=1000", "accuracy>=0.9"]
    assert list(map(str, parse_constraints(texts))) == written


def test_what_is_wrong_with_constraints_is_said_at_once():
    expected = "expected a metric, <= or >=, and a number, such as 'n_missing_populations<=0'"
    with pytest.raises(InputError) as raised:
        check_study({"constraints": ["loss<3", "n_missing_population<=0", "loss<=low"]})
    assert raised.value.problems == [
        f"hydra.sweeper.constraints: 'loss<3': {expected}",
        "hydra.sweeper.constraints: 'n_missing_population<=0': n_missing_population is no metric. "
        "Did you mean 'n_missing_populations'?",
        f"hydra.sweeper.constraints: 'loss<=low': {expected}",
    ]


@pytest.mark.parametrize(
    ("value", "at_most", "at_least"),
    [(0.5, -0.5, 0.5), (1.0, 0.0, 0.0), (3.0, 2.0, -2.0), (None, 1.0, 1.0)],
)
def test_a_violation_is_how_far_beyond_the_limit_a_metric_is(value, at_most, at_least):
    for sign, expected in (("<=", at_most), (">=", at_least)):
        assert Constraint("loss", sign, 1.0).violation({"loss": value}) == expected
        assert Constraint("loss", sign, 1.0).violation({}) == 1.0


def search(scyan_exp, constraint: str, n_trials: int) -> str:
    arguments = ("hydra/sweeper=study", "hydra/launcher=fleet", "hydra.sweep.dir=sweep")
    code, output = scyan_exp(
        *("train", "-m", *arguments, *QUICK, f"hydra.sweeper.n_trials={n_trials}"),
        *("model.prior_std=interval(0.2,0.4)", "hydra.sweeper.sampler=random"),
        f"hydra.sweeper.constraints=[{constraint}]",
    )
    assert code == 0, output
    return output


@pytest.mark.slow
def test_the_best_trial_keeps_the_constraints(scyan_exp, tmp_path):
    """A limit between the trials: the best of those within it is best, after a resume too."""
    search(scyan_exp, '"loss<=1e9"', 4)
    trials = open_study(tmp_path / "sweep").trials
    losses = {trial.number: trial.user_attrs["metrics"]["loss"] for trial in trials}
    best = min(trials, key=lambda trial: trial.value)
    limit = losses[best.number] - 1e-6
    if not any(loss <= limit for loss in losses.values()):
        limit = losses[best.number] + 1e-6
    code, output = scyan_exp("resume", "sweep", f'constraints=["loss<={limit}"]')
    assert code == 2
    assert "constraints: this folder's search has" in output
    (tmp_path / "sweep").rename(tmp_path / "earlier")
    output = search(scyan_exp, f'"loss<={limit!r}"', 4)
    kept = [trial for trial in trials if losses[trial.number] <= limit]
    expected = min(kept, key=lambda trial: trial.value).number
    assert f"Best: trial {expected}," in output
    n_out = len(trials) - len(kept)
    assert (f"{n_out} of 4 trials violate the constraints\n" in output) == (n_out > 0)
    description = json.loads((tmp_path / "sweep" / "study.json").read_text())
    assert len(description["constraints"]) == 1
    found = best_folders(tmp_path / "sweep", len(kept))
    assert {int(path.name) for path in found} == {trial.number for trial in kept}


@pytest.mark.slow
def test_without_a_trial_that_keeps_them_there_is_no_best(scyan_exp, tmp_path):
    output = search(scyan_exp, '"table_agreement>=2"', 2)
    assert "2 of 2 trials violate the constraints: there is no best one" in output
    assert "Loosen hydra.sweeper.constraints" in output
    assert not (tmp_path / "sweep" / "best.yaml").exists()
    with pytest.raises(InputError, match="best=1: only 0 trials are completed"):
        best_folders(tmp_path / "sweep", 1)

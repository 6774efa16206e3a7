"""The sentences at the top of a sweep's page."""

from __future__ import annotations

import pytest

from scyan_exp.report.comparing_configs import groups_of
from scyan_exp.report.words import effect_words, headline
from tests.report.test_comparing_configs import ACCURACY, LOSS, job


def said(jobs, keys=("a", "seed"), objectives=(LOSS,), front=(), constraints=(), rated=None):
    rated = jobs if rated is None else rated
    groups = groups_of(rated, keys, objectives[0]) if len(objectives) == 1 else []
    return headline(jobs, rated, keys, objectives, groups, front, constraints)


def seeds(*values_of_configs):
    return [
        job(10 * a + seed, overrides={"a": a, "seed": seed}, loss=value)
        for a, values in enumerate(values_of_configs)
        for seed, value in enumerate(values)
    ]


def test_what_was_swept_and_how_it_ended():
    jobs = [
        job(0, overrides={"a": 0.2, "seed": 0}, loss=1.0),
        job(1, overrides={"a": 0.4, "seed": 0}, outcome="failed"),
    ]
    assert said(jobs)[0] == "2 jobs over a (0.2, 0.4) and seed (0): 1 completed, 1 failed."
    many = [job(i, overrides={"a": i / 10}, loss=1.0) for i in range(6)]
    assert said(many, ["a"])[0] == "6 jobs over a (0 to 0.5): 6 completed."
    named = [job(i, overrides={"a": f"x{i}"}, loss=1.0) for i in range(6)]
    assert said(named, ["a"])[0] == "6 jobs over a (6 values): 6 completed."
    assert said([job(0, loss=1.0)], [])[0] == "1 job: 1 completed."


@pytest.mark.parametrize(
    ("configs", "words"),
    [
        (([1.0, 2.0], [1.2, 2.2]), "by 0.2: less than the spread, so another seed may turn"),
        (([1.0, 1.2], [1.2, 1.4]), "by 0.2: more than the spread, but not by much"),
        (([1.0, 1.1], [3.0, 3.1]), "by 2: clearly more than the spread."),
    ],
)
def test_a_difference_stands_beside_the_spread_over_seeds(configs, words):
    assert words in said(seeds(*configs))[-1]
    assert "The best config, a=0 (mean " in said(seeds(*configs))[-1]


def test_one_seed_says_nothing_of_chance():
    assert "nobody knows how much of a difference is chance" in said(seeds([1.0], [2.0]))[-1]


def test_the_verdict_of_the_best_job_is_said():
    jobs = seeds([1.0], [2.0])
    jobs[0] |= {"verdict": "do not use", "reasons": ["0.4 of the cells fit no population: look"]}
    assert "But do not use its annotation: 0.4 of the cells fit no population: look." in said(jobs)
    jobs[0] |= {"verdict": "look at these populations", "reasons": ["a", "b"]}
    assert "Look at its annotation before you use it: a; b." in said(jobs)


def test_no_completed_job():
    jobs = [job(0, outcome="running")]
    assert said(jobs, [])[1] == "No job is completed, so there is no best one yet."


def test_constraints_and_several_objectives_are_named():
    assert "among those that keep loss<=2" in said(seeds([1.0]), constraints=["loss<=2"])[1]
    jobs = [job(0, loss=1.0, accuracy=0.5)]
    sentence = said(jobs, [], (LOSS, ACCURACY), [0])[1]
    assert "loss (lower is better) and accuracy (higher is better). 1 job is on" in sentence


def test_what_mattered():
    effects = [{"parameter": "a", "share": 0.77}]
    assert effect_words([], "eta squared") == ""
    assert effect_words(effects, "eta squared").startswith("a explains 77% of the variance")
    assert "a accounts for 77% (fANOVA of Optuna)" in effect_words(effects, "importances")


def test_jobs_that_keep_no_constraint_are_counted_all_the_same():
    jobs = [job(n, overrides={"a": n, "seed": 0}, loss=float(n)) for n in (1, 2)]
    first, second = said(jobs, constraints=["loss<=0"], rated=[])
    assert first == "2 jobs over a (1, 2) and seed (0): 2 completed."
    assert second == "No completed job keeps loss<=0, so there is no best one."

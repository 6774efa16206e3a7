"""Searches on known functions: programs of their own, without any training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.fleet.sweeps import ended, no_process_is_left
from tests.search.apps import QUADRATIC_SPACE, open_study, states

SIX = "hydra.sweeper.n_trials=6"
RANDOM = "hydra.sweeper.sampler=random"
LAUNCHERS = [
    "fleet",
    "basic",
    pytest.param("joblib", marks=pytest.mark.slow),
]
ONE_FAST = ["fleet", *(pytest.param(one, marks=pytest.mark.slow) for one in ("basic", "joblib"))]


def job_files(folder: Path) -> dict[int, dict]:
    """What each folder of a job says of itself."""
    found = {}
    for path in folder.glob("*/.hydra/hydra.yaml"):
        hydra = OmegaConf.load(path).hydra
        found[int(path.parents[1].name)] = {
            "number": hydra.job.num,
            "trial": hydra.sweeper.trial,
            "overrides": sorted(OmegaConf.load(path.with_name("overrides.yaml"))),
        }
    return found


# ---------------------------------------------------------------- the loop


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_search_asks_runs_and_tells(make_app, launcher):
    """What the study holds is what the function gives for the parameters it holds."""
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    app = make_app()
    output = ended(app.search(*QUADRATIC_SPACE, SIX, launcher=launcher))
    trials = open_study(app.folder).trials
    assert [trial.number for trial in trials] == list(range(6))
    for trial in trials:
        p = trial.params
        expected = (p["x"] - 0.3) ** 2 + 0.1 * (p["y"] + 2) ** 2
        expected += {"a": 1, "b": 0, "c": 2}[p["kind"]] + (math.log10(p["rate"]) + 2) ** 2
        assert trial.value == expected
        assert -1 <= p["x"] <= 1
        assert p["y"] in range(-10, 10)
        assert 1e-5 <= p["rate"] <= 1
    assert app.statuses == ["completed"] * 6
    assert [float(row["objective"]) for row in app.rows] == [trial.value for trial in trials]
    best = min(trials, key=lambda trial: trial.value)
    assert f"Best: trial {best.number}, " in output
    no_process_is_left(app)


@pytest.mark.parametrize("launcher", ONE_FAST)
def test_trial_job_and_folder_have_one_number(make_app, launcher):
    """Also after a resume that leaves holes: two trials that end late are run again."""
    body = "if config.x > 0 and not Path(config.flag).exists(): os._exit(9)\nreturn config.x"
    app = make_app(body=body, config="x: 0\nflag: ???\n")
    flag = app.folder.with_name("flag")
    arguments = ["x=interval(-1,1)", f"flag={flag}", SIX, "hydra.sweeper.n_parallel=2", RANDOM]
    arguments += ["hydra.launcher.retries=0"] if launcher == "fleet" else []
    if launcher == "fleet":
        ended(app.search(*arguments, launcher=launcher), code=1)
        before = states(open_study(app.folder))
        assert {"COMPLETE", "RUNNING"} == set(before)
        flag.touch()
    else:
        flag.touch()
    ended(app.search(*arguments, launcher=launcher))
    study = open_study(app.folder)
    assert states(study) == ["COMPLETE"] * 6
    jobs = job_files(app.folder)
    assert jobs.keys() == set(range(6))
    for trial in study.trials:
        job = jobs[trial.number]
        assert job["number"] == job["trial"] == trial.number
        assert f"x={trial.params['x']!r}" in job["overrides"]
        assert trial.user_attrs["folder"] == str(trial.number)
    assert [row["job"] for row in app.rows] == [str(number) for number in range(6)]
    assert {row["folder"] for row in app.rows} == {str(app.folder / str(i)) for i in range(6)}


@pytest.mark.parametrize("launcher", ONE_FAST[:2])
def test_n_trials_is_the_total_over_all_starts(make_app, launcher):
    app = make_app()
    seen: dict[int, tuple] = {}
    for n_trials, expected in ((3, 3), (2, 3), (6, 6)):
        ended(app.search(*QUADRATIC_SPACE, f"hydra.sweeper.n_trials={n_trials}", launcher=launcher))
        trials = open_study(app.folder).trials
        assert len(trials) == len(app.rows) == expected
        now = {t.number: (t.values, t.params, t.datetime_complete) for t in trials}
        assert {number: now[number] for number in seen} == seen
        seen = now
    assert len({tuple(params.values()) for _, params, _ in seen.values()}) == 6


@pytest.mark.parametrize("n_parallel", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("launcher", ONE_FAST)
def test_so_many_trials_run_at_a_time(make_app, launcher, n_parallel):
    """Each trial counts those that run beside it until one has seen enough, and a while longer."""
    body = """\
folder = Path(config.folder)
folder.mkdir(exist_ok=True)
mine = folder / str(os.getpid())
mine.touch()
found = [0]
waits = time.monotonic() + 20
reached = folder.with_name("reached")
while time.monotonic() < waits:
    time.sleep(0.02)
    found.append(len(list(folder.iterdir())))
    if max(found) >= config.enough:
        reached.touch()
    if reached.exists():
        waits = min(waits, time.monotonic() + 0.3)
mine.unlink()
return max(found)"""
    enough = 1 if launcher == "basic" else n_parallel
    app = make_app(body=body, config=f"x: 0\nfolder: ???\nenough: {enough}\n")
    arguments = ["x=interval(0,1)", f"folder={app.folder.with_name('running')}", SIX]
    slots = {"joblib": ["hydra.launcher.n_jobs=3"], "fleet": ["hydra.launcher.jobs_per_device=3"]}
    arguments += slots.get(launcher, [])
    ended(app.search(*arguments, f"hydra.sweeper.n_parallel={n_parallel}", launcher=launcher))
    seen = max(trial.value for trial in open_study(app.folder).trials)
    assert seen == enough


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_errors_and_values_that_are_not_finite_are_failures(make_app, launcher):
    body = """\
if config.what == 'raise':
    raise ValueError('by intent')
if config.what == 'exit':
    raise SystemExit(3)
return {'no_number': math.nan, 'infinite': math.inf, 'minus': -math.inf, 'text': 'good',
        'none': None, 'pair': [1.0, 2.0], 'fine': 1.0, 'whole': 2}[config.what]"""
    kinds = ["raise", "no_number", "infinite", "minus", "text", "none", "pair", "fine", "whole"]
    kinds += ["exit"] if launcher == "fleet" else []
    app = make_app(body=body, config="what: ???\n")
    each = f"{{_target_: optuna.samplers.GridSampler, search_space: {{what: [{','.join(kinds)}]}}}}"
    arguments = [f"what={','.join(kinds)}", f"hydra.sweeper.sampler={each}"]
    arguments += [f"hydra.sweeper.n_trials={len(kinds)}", "hydra.sweeper.max_failures=null"]
    output = ended(app.search(*arguments, launcher=launcher), code=1)
    trials = {trial.params["what"]: trial for trial in open_study(app.folder).trials}
    assert trials.keys() == set(kinds)
    fine = {name: trial.values for name, trial in trials.items() if trial.state.name == "COMPLETE"}
    assert fine == {"fine": [1.0], "whole": [2.0]}
    reasons = {name: trial.user_attrs.get("error", "") for name, trial in trials.items()}
    assert "by intent" in reasons["raise"]
    for name in ("no_number", "infinite", "minus"):
        assert "not finite" in reasons[name]
    assert "'good'" in reasons["text"]
    assert "None" in reasons["none"]
    assert "2" in reasons["pair"]
    for name in set(kinds) - {"fine", "whole"}:
        assert trials[name].state.name == "FAIL"
        assert trials[name].values is None
        assert reasons[name]
        row = next(row for row in app.rows if row["job"] == str(trials[name].number))
        assert (row["status"], row["error"]) == ("failed", reasons[name])
    best = open_study(app.folder).best_trial
    assert best.params["what"] == "fine"
    assert f"Best: trial {best.number}, " in output


@pytest.mark.parametrize("launcher", ["fleet", "basic"])
def test_a_search_that_only_fails_stops(make_app, launcher):
    app = make_app(body="raise ValueError('always')", config="x: 0\n")
    arguments = ["x=interval(0,1)", "hydra.sweeper.n_trials=30", "hydra.sweeper.max_failures=3"]
    output = ended(app.search(*arguments, "hydra.sweeper.n_parallel=2", launcher=launcher), code=1)
    assert 3 <= len(states(open_study(app.folder))) <= 4  # one may run when the third has failed
    assert set(states(open_study(app.folder))) == {"FAIL"}
    assert "hydra.sweeper.max_failures" in output
    assert "ValueError: always" in output


def test_failures_between_successes_stop_nothing(make_app):
    body = "if Path.cwd().joinpath(f'n{config.x}').exists(): pass\n"
    body += "raise_it = int(config.x * 1e6) % 2\nif raise_it: raise ValueError('odd')\nreturn 1.0"
    app = make_app(body=body, config="x: 0\n")
    arguments = ["x=interval(0,1)", "hydra.sweeper.n_trials=20", "hydra.sweeper.max_failures=8"]
    ended(app.search(*arguments, RANDOM), code=1)
    found = states(open_study(app.folder))
    assert len(found) == 20
    assert set(found) == {"COMPLETE", "FAIL"}


def test_a_trial_whose_process_dies_again_and_again_is_left_for_a_resume(make_app):
    body = "if config.x < 0.5 and not Path(config.flag).exists(): os._exit(7)\nreturn config.x"
    app = make_app(body=body, config="x: 0\nflag: ???\n")
    flag = app.folder.with_name("flag")
    arguments = ["x=interval(0,1)", f"flag={flag}", SIX, RANDOM, "hydra.sweeper.n_parallel=2"]
    ended(app.search(*arguments), code=1)
    before = open_study(app.folder).trials
    assert {t.state.name for t in before} == {"COMPLETE", "RUNNING"}
    flag.touch()
    ended(app.search(*arguments))
    after = open_study(app.folder).trials
    assert [t.state.name for t in after] == ["COMPLETE"] * 6
    assert [t.params for t in after[: len(before)]] == [t.params for t in before]


# ---------------------------------------------------------------- samplers


@pytest.mark.parametrize(
    "sampler",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("gp", "qmc", "nsga2")),
        "{_target_: optuna.samplers.GridSampler, search_space: {kind: [a, b, c]}}",
        "{_target_: optuna.samplers.BruteForceSampler}",
        pytest.param(
            "{_target_: optuna.samplers.TPESampler, multivariate: true}", marks=pytest.mark.slow
        ),
    ],
)
def test_any_sampler_of_optuna_runs_a_search_to_its_end(make_app, sampler):
    app = make_app()
    finite = "GridSampler" in sampler or "BruteForce" in sampler
    space = ["kind=a,b,c"] if finite else QUADRATIC_SPACE
    ended(app.search(*space, "hydra.sweeper.n_trials=3", f"hydra.sweeper.sampler={sampler}"))
    study = open_study(app.folder)
    assert states(study) == ["COMPLETE"] * 3
    if finite:
        assert {trial.params["kind"] for trial in study.trials} == {"a", "b", "c"}


def best_of(make_app, sampler: str, seeds: range, n_trials: int) -> list[float]:
    found = []
    for seed in seeds:
        app = make_app(f"{sampler}{seed}")
        settings = [f"hydra.sweeper.sampler={sampler}", f"hydra.sweeper.seed={seed}"]
        ended(app.search(*QUADRATIC_SPACE, *settings, f"hydra.sweeper.n_trials={n_trials}"))
        study = open_study(app.folder)
        assert len(study.trials) == n_trials
        found.append(study.best_value)
    return found


@pytest.mark.slow
def test_tpe_beats_random_search_with_40_trials(make_app):
    seeds = range(3)
    tpe, chance = (best_of(make_app, name, seeds, 40) for name in ("tpe", "random"))
    assert np.mean(tpe) < 0.6 * np.mean(chance)
    assert np.median(tpe) < np.median(chance)


# ---------------------------------------------------------------- several objectives

TWO_AIMS = "return [config.x ** 2 + config.y ** 2, (config.x - 1) ** 2 + config.y ** 2]"


@pytest.mark.parametrize("launcher", ONE_FAST[:2])
def test_several_objectives_give_a_pareto_front(make_app, launcher):
    app = make_app(body=TWO_AIMS, config="x: 0\ny: 0\n")
    arguments = ["x=interval(-2,2)", "y=interval(-2,2)", "hydra.sweeper.n_trials=12"]
    arguments += ["hydra.sweeper.sampler=nsga2", "hydra.sweeper.directions=[minimize,minimize]"]
    output = ended(app.search(*arguments, launcher=launcher))
    trials = open_study(app.folder).trials
    assert len(trials) == 12
    front = {
        t.number
        for t in trials
        if not any(
            o.values[0] <= t.values[0] and o.values[1] <= t.values[1] and o.values != t.values
            for o in trials
        )
    }
    for trial in trials:
        assert (f"Best: trial {trial.number}, " in output) == (trial.number in front)
        x, y = trial.params["x"], trial.params["y"]
        assert trial.values == [x**2 + y**2, (x - 1) ** 2 + y**2]


@pytest.mark.slow
def test_nsga2_moves_towards_the_front(make_app):
    app = make_app(body=TWO_AIMS, config="x: 0\ny: 0\n")
    arguments = ["x=interval(-8,8)", "y=interval(-8,8)", "hydra.sweeper.n_trials=150"]
    arguments += ["hydra.sweeper.sampler={_target_: optuna.samplers.NSGAIISampler}"]
    arguments[-1] = arguments[-1].replace("}", ", population_size: 20}")
    ended(app.search(*arguments, "hydra.sweeper.directions=[minimize,minimize]"))
    sums = [sum(trial.values) for trial in open_study(app.folder).trials]
    assert np.median(sums[100:]) < 0.6 * np.median(sums[:20])

"""Settings of the search: samplers, pruners, directions, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna
import pytest

from scyan_exp.cli.problems import command_problems
from scyan_exp.cli.safety import unsafe_problems
from scyan_exp.config.objectives import METRICS
from scyan_exp.errors import InputError
from scyan_exp.search.makers import PRUNERS, SAMPLERS, make_pruner
from scyan_exp.search.samplers import SeededByTrial
from scyan_exp.search.settings import StudySettings, check_study

#: Arguments that these need to be made at all.
NEEDED = {
    "GridSampler": {"search_space": {"x": [1, 2]}},
    "PartialFixedSampler": {
        "fixed_params": {"x": 1},
        "base_sampler": {"_target_": "optuna.samplers.RandomSampler"},
    },
    "PatientPruner": {
        "wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner"},
        "patience": 2,
    },
    "PercentilePruner": {"percentile": 25.0},
    "ThresholdPruner": {"upper": 1.0},
    "WilcoxonPruner": {},
}
#: Those that need libraries of their own.
OTHERS = {"CmaEsSampler": "cmaes"}
#: Bases of the others.
ABSTRACT = {"BaseSampler", "BaseGASampler", "BasePruner"}


def classes(module) -> list[str]:
    """Names of the samplers or pruners that Optuna has."""
    base = optuna.samplers.BaseSampler if module is optuna.samplers else optuna.pruners.BasePruner
    found = [name for name in dir(module) if isinstance(getattr(module, name), type)]
    return [n for n in found if issubclass(getattr(module, n), base) and n not in ABSTRACT]


def problems_of(**settings) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_study(settings)
    return caught.value.problems


# ---------------------------------------------------------------- what is made


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_has_a_name_that_draws(name):
    study = optuna.create_study(sampler=check_study({"sampler": name}).make_sampler())
    for value in range(3):
        trial = study.ask()
        assert 0 <= trial.suggest_float("x", 0, 1) <= 1
        study.tell(trial, value)


@pytest.mark.parametrize("name", classes(optuna.samplers))
def test_every_sampler_of_optuna_can_be_chosen_by_target(name):
    if name in OTHERS:
        pytest.importorskip(OTHERS[name])
    values = {"_target_": f"optuna.samplers.{name}", **NEEDED.get(name, {})}
    settings = check_study({"sampler": values})
    assert isinstance(settings.make_sampler(), optuna.samplers.BaseSampler)
    assert settings.sampler == values


@pytest.mark.parametrize("name", [*PRUNERS, "auto", "none", None])
def test_every_pruner_has_a_name(name):
    settings = check_study({"pruner": name})
    for objectives in (["heuristic"], ["loss"], ["accuracy"]):
        pruner = settings.make_pruner(objectives)
        assert isinstance(pruner, optuna.pruners.BasePruner)
        is_off = isinstance(pruner, optuna.pruners.NopPruner)
        assert is_off == (name in ("none", None))


@pytest.mark.parametrize("name", classes(optuna.pruners))
def test_every_pruner_of_optuna_can_be_chosen_by_target(name):
    if name == "WilcoxonPruner":
        pytest.importorskip("scipy")
    values = {"_target_": f"optuna.pruners.{name}", **NEEDED.get(name, {})}
    settings = check_study({"pruner": values})
    found = settings.make_pruner(["heuristic"])
    assert type(found).__name__ == name


@pytest.mark.parametrize("name", ["pruners", "pruning"])
def test_our_pruner_has_the_name_of_earlier_versions_too(name):
    """Which the commands and presets of users may have, also within another pruner."""
    ours = {"_target_": f"scyan_exp.search.{name}.StalledPruner", "patience": 2}
    wrapped = {"_target_": "optuna.pruners.PatientPruner", "patience": 1, "wrapped_pruner": ours}
    assert type(make_pruner(check_study({"pruner": ours}).pruner)).__name__ == "StalledPruner"
    assert type(make_pruner(check_study({"pruner": wrapped}).pruner)).__name__ == "PatientPruner"
    (problem,) = problems_of(pruner={**ours, "patiense": 1})
    assert "Did you mean 'patience'" in problem
    written = f"{{_target_: scyan_exp.search.{name}.StalledPruner, patience: 2}}"
    command = ["-m", "search=quick", f"hydra.sweeper.pruner={written}"]
    assert unsafe_problems(command) == []
    assert command_problems(command) == []


def test_several_objectives_have_no_pruner_by_default():
    assert check_study({}).chosen_pruner(["heuristic", "loss"]) is None
    assert check_study({}).chosen_pruner(["heuristic"]) in PRUNERS


def test_without_a_seed_two_searches_differ_and_with_one_they_do_not():
    def first(seed) -> float:
        settings = check_study({"sampler": "random", "seed": seed})
        study = optuna.create_study(sampler=settings.make_sampler())
        return study.ask().suggest_float("x", 0, 1)

    assert first(None) != first(None)
    assert first(3) == first(3)
    assert first(3) != first(4)


@pytest.mark.parametrize("n_objectives", [1, 2])
def test_tpe_draws_parameters_together_for_one_objective_and_alone_for_several(n_objectives):
    """Whatever this Optuna does by default: a search draws the same with any."""
    together = {"multivariate": n_objectives == 1, "constant_liar": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        theirs = SeededByTrial(lambda seed: optuna.samplers.TPESampler(seed=seed, **together), 5)
        other = {**together, "multivariate": n_objectives != 1}
        others = SeededByTrial(lambda seed: optuna.samplers.TPESampler(seed=seed, **other), 5)

    def drawn(sampler: optuna.samplers.BaseSampler) -> list[dict]:
        study = optuna.create_study(directions=["minimize"] * n_objectives, sampler=sampler)
        for _ in range(16):
            trial = study.ask()
            x, y = (trial.suggest_float(name, 0, 1) for name in "xy")
            study.tell(trial, [(x - y) ** 2, x][:n_objectives])
        return [trial.params for trial in study.trials]

    ours = drawn(check_study({"seed": 5}).make_sampler(n_objectives))
    assert ours == drawn(theirs)
    assert ours != drawn(others)


def test_a_seed_of_the_sampler_itself_wins():
    values = {"_target_": "optuna.samplers.RandomSampler", "seed": 7}

    def first(**settings) -> float:
        study = optuna.create_study(sampler=check_study(settings).make_sampler())
        return study.ask().suggest_float("x", 0, 1)

    assert first(sampler=values, seed=1) == first(sampler=values, seed=2)
    assert first(sampler=values) == first(sampler="random", seed=7)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("what", ["sampler", "pruner"])
@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.open",
        "builtins.eval",
        "subprocess.Popen",
        "optuna.samplers._base.x",
        "optuna.samplers._tpe.sampler.TPESampler",
        "optuna.samplers.warnings.warn",
        "optuna.pruners._base.os",
        "optuna.create_study",
        "optuna.storages.RDBStorage",
        "optuna.samplers.TPESampler.__init__",
        "optuna.samplers.TPESampler\nos.system",
        "optuna.samplers.",
        "optuna.samplers.TPE",
        "TPESampler",
        "${oc.env:TARGET}",
        "",
        None,
        ["os.system"],
        {"_target_": "os.system"},
    ],
)
def test_only_samplers_and_pruners_can_be_made(tmp_path, what, target):
    victim = tmp_path / "victim"
    values = {"_target_": target, "command": f"touch {victim}", "file": str(victim), "mode": "w"}
    problems = problems_of(**{what: values})
    assert any(one.startswith(f"hydra.sweeper.{what}") for one in problems)
    assert not victim.exists()


def test_a_pruner_is_no_sampler_and_a_sampler_no_pruner():
    (problem,) = problems_of(sampler={"_target_": "optuna.pruners.MedianPruner"})
    assert "expected optuna.samplers.<name>" in problem
    (problem,) = problems_of(pruner={"_target_": "optuna.samplers.TPESampler"})
    assert "expected optuna.pruners.<name>" in problem


def touching(victim: Path, where: str) -> dict:
    evil = {"_target_": "builtins.open", "file": str(victim), "mode": "w"}
    return {
        "nested": {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": evil},
        "deep": {
            "_target_": "optuna.pruners.PatientPruner",
            "patience": 1,
            "wrapped_pruner": {
                "_target_": "optuna.pruners.PatientPruner",
                "patience": 1,
                "wrapped_pruner": evil,
            },
        },
        "listed": {"_target_": "optuna.pruners.ThresholdPruner", "upper": [evil]},
        "positional": {"_target_": "optuna.pruners.ThresholdPruner", "_args_": [evil]},
        "in a dict": {"_target_": "optuna.pruners.ThresholdPruner", "upper": {"x": evil}},
        "as an interval": {"_target_": "optuna.pruners.ThresholdPruner", "upper": {"_args_": evil}},
    }[where]


@pytest.mark.parametrize(
    "where", ["nested", "deep", "listed", "positional", "in a dict", "as an interval"]
)
def test_nothing_else_can_be_made_within_a_pruner(tmp_path, where):
    victim = tmp_path / "victim"
    for what in ("pruner", "sampler"):
        assert problems_of(**{what: touching(victim, where)})
        assert not victim.exists()


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        ({"sampler": "tpee"}, ["hydra.sweeper.sampler", "Did you mean 'tpe'?"]),
        ({"pruner": "medain"}, ["hydra.sweeper.pruner", "Did you mean 'median'?"]),
        (
            {"sampler": {"_target_": "optuna.samplers.TPESampler", "n_startup_trails": 3}},
            ["hydra.sweeper.sampler.n_startup_trails", "Did you mean 'n_startup_trials'?"],
        ),
        (
            {"sampler": {"_target_": "optuna.samplers.TPESamplr"}},
            ["hydra.sweeper.sampler._target_", "Did you mean 'TPESampler'?"],
        ),
        (
            {
                "pruner": {
                    "_target_": "optuna.pruners.PatientPruner",
                    "patience": 1,
                    "wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner", "n_warmup": 3},
                }
            },
            ["hydra.sweeper.pruner.wrapped_pruner.n_warmup", "n_warmup_steps"],
        ),
        (
            {"pruner": {"_target_": "optuna.pruners.PercentilePruner", "percentile": 101.0}},
            ["hydra.sweeper.pruner", "101"],
        ),
        ({"pruner": {"_target_": "optuna.pruners.PercentilePruner"}}, ["percentile"]),
        ({"n_trails": 3}, ["hydra.sweeper.n_trails", "Did you mean 'n_trials'"]),
        ({"n_trials": 0}, ["hydra.sweeper.n_trials", "found 0"]),
        ({"n_trials": "many"}, ["hydra.sweeper.n_trials", "'many'"]),
        ({"n_parallel": 0}, ["hydra.sweeper.n_parallel"]),
        ({"max_failures": 0}, ["hydra.sweeper.max_failures"]),
        ({"seed": -1}, ["hydra.sweeper.seed"]),
        ({"direction": "up"}, ["hydra.sweeper.direction", "'up'"]),
        ({"directions": ["minimize", "up"]}, ["hydra.sweeper.directions"]),
        ({"direction": "minimize", "directions": ["minimize"]}, ["not both"]),
        ({"monitor": "accuracy"}, ["hydra.sweeper.monitor", "'accuracy'"]),
        ({"study_name": ""}, ["hydra.sweeper.study_name"]),
        ({"storage": 3}, ["hydra.sweeper.storage"]),
    ],
)
def test_wrong_settings_are_named(settings, messages):
    problems = "\n".join(problems_of(**settings))
    for message in messages:
        assert message in problems


def test_all_wrong_settings_are_named_at_once():
    text = "\n".join(
        problems_of(n_trials=0, seed=-1, sampler="tpee", pruner="medain", n_trails=3, monitor="x")
    )
    for key in ("n_trials", "seed", "sampler", "pruner", "n_trails", "monitor"):
        assert f"hydra.sweeper.{key}: " in text


# ---------------------------------------------------------------- directions


@pytest.mark.parametrize("objective", METRICS)
def test_the_direction_of_each_metric_is_known(objective):
    expected = "maximize" if objective in ("accuracy", "f1_macro", "balanced_accuracy") else None
    found = StudySettings().directions_for([objective])
    assert found == [METRICS[objective].direction]
    assert expected in (None, *found)


def test_directions_of_several_objectives():
    assert StudySettings().directions_for(["loss", "accuracy"]) == ["minimize", "maximize"]
    given = StudySettings(directions=["maximize", "maximize"])
    assert given.directions_for(["loss", "accuracy"]) == ["maximize", "maximize"]
    assert StudySettings(direction="maximize").directions_for(["loss"]) == ["maximize"]


@pytest.mark.parametrize("settings", [{"direction": "minimize"}, {"directions": ["minimize"] * 3}])
def test_one_direction_an_objective(settings):
    with pytest.raises(InputError, match="expected one for each objective"):
        StudySettings(**settings).directions_for(["loss", "accuracy"])


def test_programs_without_known_objectives_are_minimised():
    assert StudySettings().directions_for([]) == ["minimize"]
    assert StudySettings(direction="maximize").directions_for([]) == ["maximize"]
    both = ["minimize", "maximize"]
    assert StudySettings(directions=both).directions_for([]) == both

"""What Hydra's own part of a config may name, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from scyan_exp.config.hydra_part import hydra_problems

PRUNERS = ("scyan_exp.search.pruners.Patient",)


def said(part: Any) -> list[str]:
    return list(hydra_problems(part, "hydra", PRUNERS))


@pytest.mark.parametrize(
    "value",
    [
        {"launcher": {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}},
        {"launcher": {"_target_": "hydra_plugins.fleet_launcher.fleet_launcher.FleetLauncher"}},
        {"sweeper": {"sampler": {"_target_": "optuna.samplers.TPESampler"}}},
        {"sweeper": {"pruner": {"_target_": "optuna.pruners.HyperbandPruner"}}},
        {"sweeper": [{"pruners": ({"_target_": PRUNERS[0]},)}]},
        {"handlers": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
        {"handlers": {"class": "logging.FileHandler", "stream": "ext://sys.stderr"}},
        {"handlers": [{"class": "scyan_exp.terminal.TerminalHandler"}]},
        {"handlers": [{"class": "scyan_exp.terminal.LogFile"}]},
        {"version": 1, "disable": None, "target": "os.system", "classes": ["os.system"]},
        {"format": "see ext://os.environ"},
    ],
    ids=str,
)
def test_what_hydra_itself_and_our_plugins_need_is_allowed(value):
    assert said(value) == []


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"a": {"_target_": "os.mkdir"}}, ["hydra.a._target_: 'os.mkdir' is not allowed"]),
        ({"a": {"_target_": None}}, ["hydra.a._target_: None is not allowed"]),
        (
            {"a": [0, {"_target_": "hydra.core.x"}]},
            ["hydra.a[1]._target_: 'hydra.core.x' is not allowed"],
        ),
        (
            ({"_target_": "optuna.samplers.x"},),
            ["hydra[0]._target_: 'optuna.samplers.x' is not allowed"],
        ),
        (
            {"_target_": "logging.FileHandler"},
            ["hydra._target_: 'logging.FileHandler' is not allowed"],
        ),
        (
            {"b": {"class": "os.mkdir", "level": "INFO"}},
            ["hydra.b.class: 'os.mkdir' is not allowed"],
        ),
        ({"class": PRUNERS[0]}, [f"hydra.class: '{PRUNERS[0]}' is not allowed"]),
        ({"()": "logging.FileHandler"}, ["hydra.(): 'logging.FileHandler' is not allowed"]),
        ({"s": "ext://os.environ"}, ["hydra.s: 'ext://os.environ' is not allowed"]),
        (
            {"_target_": {"_target_": "x"}, "s": ["ext://sys.stdout.x"]},
            [
                "hydra._target_: {'_target_': 'x'} is not allowed",
                "hydra._target_._target_: 'x' is not allowed",
                "hydra.s[0]: 'ext://sys.stdout.x' is not allowed",
            ],
        ),
    ],
    ids=str,
)
def test_whatever_else_hydra_would_make_is_refused_with_its_place(value, problems):
    assert said(value) == problems


def test_without_further_names_there_are_none():
    value = {"x": {"_target_": PRUNERS[0]}}
    assert list(hydra_problems(value, "a")) == [f"a.x._target_: '{PRUNERS[0]}' is not allowed"]

"""Checks of the configuration: every problem found, named and explained; what a hash covers."""

from __future__ import annotations

import copy
import importlib
import math
import pkgutil
import types
from typing import Any

import pytest

import scyan_exp
from scyan_exp.config.check import check_config, config_problems
from scyan_exp.config.compose import compose_config
from scyan_exp.config.hashing import config_hash
from scyan_exp.config.objectives import METRICS
from scyan_exp.config.targets import is_allowed
from scyan_exp.errors import InputError

INF = math.inf


def said(plain: dict[str, Any]) -> list[str]:
    """What is said of a config in plain containers."""
    return [str(problem) for problem in config_problems(plain)]


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return check_config(compose_config([])).plain()


def changed(config: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A copy with some values set; '__' stands for the dot between sections."""
    config = copy.deepcopy(config)
    for key, value in values.items():
        *path, last = key.split("__")
        section = config
        for name in path:
            section = section[name]
        section[last] = value
    return config


WRONG_VALUES = [
    ("name", ["", 3]),
    ("group", [""]),
    ("tags", ["smoke", [1]]),
    ("seed", [-1, 2**32, 1.5, "0", None, True]),
    ("objective", ["acuracy", None, 3]),
    ("ckpt_path", ["", 3]),
    ("dataset__label_key", ["", 3]),
    ("dataset__batch_key", ["", 3]),
    ("dataset__categorical_covariates", ["batch", [""]]),
    ("dataset__continuous_covariates", ["age", [1.0]]),
    ("dataset__transform", ["log", None]),
    ("dataset__cofactor", [0, -5, INF, "5", None, {"CD3": 0}, {"CD3": "5"}, {"": 5}]),
    ("dataset__scale", ["yes", 1, None]),
    ("dataset__center", ["yes", 0]),
    ("dataset__max_value", [0, -1, INF]),
    ("dataset__n_cells", [0, -1, 2.5, "all"]),
    ("dataset__seed", [-1, 0.5]),
    ("dataset__prior_std", [0, 1, -1]),
    ("dataset__n_batches", [0, 1.5]),
    ("dataset__batch_shift", [-0.1, INF, math.nan]),
    ("model__prior_std", [0, 1, -1, 1.5, "wide", None, math.nan, True]),
    ("model__temperature", [0, -1, INF, math.nan, "hot", None]),
    ("model__modulo_temp", [0, -3, 1.5]),
    ("model__n_layers", [0, -1, 2.5, "7", True]),
    ("model__n_hidden_layers", [-1, 0.5]),
    ("model__hidden_size", [0, -16, 1.5]),
    ("model__warm_up", [3, "long", [0.35, 4, 1], [1.5, 4], [0, 4], [0.35, -1], [0.35, 1.5]]),
    ("model__lr", [0, -1, INF, math.nan, "fast"]),
    ("model__batch_size", [0, -1, 0.5, None]),
    ("model__max_samples", [0, -1, 1.5, "all"]),
    ("model__continuum_markers", ["CD3", [3], [""]]),
    ("trainer__accelerator", ["tpu", "gppu", None]),
    ("trainer__devices", [0, -1, "two", "auto", True, None]),
    ("trainer__strategy", ["fsdp", None]),
    ("trainer__max_epochs", [0, -1, 2.5, None]),
    ("trainer__max_steps", ["many", 1.5, -2]),
    ("trainer__log_every_n_steps", [0, -1, "10"]),
    ("logger__backend", ["tensorboard", None]),
    ("logger__mode", ["offlin", True]),
    ("logger__project", ["", None]),
    ("logger__entity", ["", 3]),
    ("logger__job_type", ["", 3]),
    ("biomarkers__sample_key", ["", 3]),
    ("callbacks", [None, 3]),
    ("callbacks__early_stopping", [3, None, {"patience": 4}]),
]


@pytest.mark.parametrize(
    ("key", "value"), [(key, v) for key, values in WRONG_VALUES for v in values], ids=str
)
def test_a_wrong_value_is_one_problem_that_names_key_and_value(default, key, value):
    problems = said(changed(default, **{key: value}))
    assert len(problems) == 1, problems
    name, _, rest = problems[0].partition(":")
    assert name.split("[")[0] == key.replace("__", ".")
    assert "expected" in rest
    shown = value if not isinstance(value, list) else None
    assert shown is None or f"found {shown!r}" in rest


def test_a_pair_with_one_number_is_told_what_is_expected(default):
    (problem,) = said(changed(default, model__warm_up=[0.35]))
    assert problem.startswith("model.warm_up")
    assert "is required" not in problem


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("seed", [0, 2**32 - 1]),
        ("objective", ["loss", "accuracy"]),
        ("dataset__batch_shift", [0, 0.0]),
        ("dataset__transform", ["none", "asinh", "logicle", "auto"]),
        ("dataset__cofactor", [5, 150.0, {"CD3": 5, "default": 150.0}]),
        ("dataset__center", [None, True, False]),
        ("dataset__n_cells", [1]),
        ("model__prior_std", [0.001, 0.999]),
        ("model__temperature", [0.001, 2, 100.0]),
        ("model__n_layers", [1]),
        ("model__n_hidden_layers", [0]),
        ("model__warm_up", [None, [0.35, 4], [0.35, 0]]),
        ("model__max_samples", [None, 1]),
        ("trainer__devices", [1, 2]),
        ("trainer__max_steps", [-1, 10]),
        ("callbacks", [{}]),
    ],
)
def test_values_at_the_bounds_are_fine(default, key, values):
    for value in values:
        assert said(changed(default, **{key: value})) == []


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("sead", "seed"),
        ("modle", "model"),
        ("dataset__labelkey", "label_key"),
        ("dataset__n_cell", "n_cells"),
        ("model__priorstd", "prior_std"),
        ("model__nlayers", "n_layers"),
        ("trainer__max_epoch", "max_epochs"),
        ("trainer__gradient_clip", "gradient_clip_val"),
        ("logger__projet", "project"),
        ("table__pth", None),
    ],
)
def test_an_unknown_key_is_named_with_its_near_matches(default, key, near):
    (problem,) = said(changed(default, **{key: 1}))
    assert problem.startswith(f"{key.replace('__', '.')}: unknown key.")
    assert near is None or f"'{near}'" in problem


@pytest.mark.parametrize("section", ["dataset", "table", "model", "trainer", "logger"])
@pytest.mark.parametrize("value", [None, 3, []])
def test_a_section_that_is_none_is_one_problem(default, section, value):
    (problem,) = said(changed(default, **{section: value}))
    assert problem.startswith(section)


def test_missing_values_are_all_named():
    with pytest.raises(InputError) as caught:
        check_config(compose_config(["dataset=h5ad", "table=csv"]))
    assert caught.value.problems == [
        "dataset.path: a value is required (dataset.path=... on the command line)",
        "table.path: a value is required (table.path=... on the command line)",
    ]


def test_all_problems_are_reported_at_once():
    overrides = ["dataset=h5ad", "+model.depth=3", "model.lr=-1", "seed=-1", "logger.mode=on"]
    with pytest.raises(InputError) as caught:
        check_config(compose_config([*overrides, "+trainer.max_epoch=3"]))
    keys = {problem.split(":")[0] for problem in caught.value.problems}
    expected = "dataset.path table.path model.depth model.lr seed logger.mode trainer.max_epoch"
    assert keys == set(expected.split())
    assert "config: 7 problems" in str(caught.value)


@pytest.mark.parametrize("reference", ["${nothing.here}", "${model.lr}", "${no_resolver:3}"])
def test_an_interpolation_that_leads_nowhere_names_its_key(reference):
    with pytest.raises(InputError, match=r"config: model\.lr: \w+"):
        check_config(compose_config([f"model.lr={reference}"]))


def test_interpolations_are_resolved():
    config = check_config(compose_config(["name=run-${seed}", "seed=3"]))
    assert config.name == config.plain()["name"] == "run-3"


@pytest.mark.parametrize("objective", [n for n, one in METRICS.items() if "labels" in one.needs])
def test_an_objective_that_needs_labels_says_so(default, objective):
    config = changed(default, objective=objective, dataset__label_key=None)
    (problem,) = said(config)
    assert "dataset.label_key" in problem
    assert "heuristic" in problem


@pytest.mark.parametrize(
    ("devices", "n_problems"), [([0], 0), ([1, 3], 0), ([-1], 1), ([], 1), ([0, 0], 1)]
)
def test_gpus_are_named_by_distinct_numbers(default, devices, n_problems):
    config = changed(default, trainer__accelerator="gpu", trainer__devices=devices)
    assert len(said(config)) == n_problems


def test_the_cpu_has_processes_and_no_numbers(default):
    (problem,) = said(changed(default, trainer__devices=[0]))
    assert "on the CPU expected a number of processes, found [0]" in problem


@pytest.mark.parametrize("devices", [4, [0, 1, 2, 3]])
def test_a_batch_must_have_a_cell_for_each_device(default, devices):
    gpu = {"trainer__accelerator": "gpu"}
    config = changed(default, model__batch_size=3, trainer__devices=devices, **gpu)
    assert said(config) == ["model.batch_size: 3 cells cannot be shared by 4 devices"]


HOSTILE = [
    "os.system",
    "builtins.open",
    "builtins.eval",
    "torch.load",
    "pandas.read_pickle",
    "hydra.utils.get_method",
    "subprocess.run",
    "pytorch_lightning.trainer.trainer.os.system",
    "pytorch_lightning.callbacks.os",
    "pytorch_lightning.callbacks.early_stopping.torch.load",
    "pytorch_lightning.Trainer.fit",
    "scyan_exp.cli.main.os",
    "scyan_exp.cli.main.os.system",
    "scyan_exp.cli.main.shutil.rmtree",
    "scyan_exp.cli.main.main",
    "scyan_exp.data.sources.pd.read_pickle",
    "scyan_exp.training.ddp.subprocess.run",
    "scyan_exp._lazy.importlib.import_module",
    "scyan_exp._lazy.lazy_attributes",
    "scyan_exp.files.write_text",
    "scyan_exp.Scyan.load_from_checkpoint",
    "scyan_exp.Scyan\nos.system",
    "scyan_exp",
    "",
    None,
]


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("where", ["callbacks.mine", "trainer.profiler", "trainer.plugins"])
def test_a_target_that_is_not_ours_is_refused_wherever_it_stands(default, where, target):
    section, key = where.split(".")
    config = changed(default)
    config[section][key] = {"_target_": target}
    assert any(p.startswith(f"{where}._target_: ") for p in said(config))


def test_a_target_within_a_list_is_refused_with_its_place(default):
    config = changed(default, trainer__plugins=[{}, {"inner": [{"_target_": "os.system"}]}])
    problems = said(config)
    assert any(p.startswith("trainer.plugins[1].inner[0]._target_: 'os.system'") for p in problems)


@pytest.mark.parametrize("section", ["dataset", "table", "model", "trainer"])
def test_the_target_of_a_section_is_one_of_its_own(default, section):
    problems = said(changed(default, **{f"{section}___target_": "scyan_exp.Other"}))
    assert problems[0].startswith(f"{section}._target_: expected ")


def names_within_reach() -> list[str]:
    """Dotted names of everything in our modules and Lightning's, and of modules within them."""
    walked = pkgutil.walk_packages(scyan_exp.__path__, "scyan_exp.")
    modules = ["scyan_exp", *(m.name for m in walked if not m.name.endswith("__main__"))]
    names = []
    for module in [*modules, "pytorch_lightning.callbacks", "pytorch_lightning.loggers"]:
        for attribute, value in vars(importlib.import_module(module)).items():
            names.append(f"{module}.{attribute}")
            if isinstance(value, types.ModuleType):
                names += [f"{module}.{attribute}.{inner}" for inner in vars(value)]
    return names


def test_nothing_but_classes_made_for_it_can_be_reached():
    allowed = [name for name in names_within_reach() if is_allowed(name)]
    for name in allowed:
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        assert not isinstance(value, types.ModuleType), name
        assert getattr(value, "__module__", "").split(".")[0] == name.split(".")[0], name


@pytest.mark.parametrize(
    "change",
    [
        {"name": "mine"},
        {"group": "sweep"},
        {"tags": ["a"]},
        {"logger__mode": "online"},
        {"logger__project": "other"},
        {"logger": {"backend": "none"}},
        {"objective": "loss"},
        {"ckpt_path": "last.ckpt"},
        {"trainer__accelerator": "gpu"},
        {"trainer__devices": 2},
    ],
    ids=str,
)
def test_names_logging_and_place_do_not_change_the_hash(default, change):
    assert config_hash(changed(default, **change)) == config_hash(default)


def test_what_decides_the_result_changes_the_hash(default):
    changes = [
        {"seed": 1},
        {"dataset__n_cells": 99},
        {"dataset__seed": 1},
        {"dataset__scale": False},
        {"table": {"_target_": "scyan_exp.data.load_table", "path": "t.csv"}},
        {"model__prior_std": 0.25},
        {"model__max_samples": None},
        {"trainer__max_epochs": 3},
        {"callbacks": {}},
    ]
    hashes = {config_hash(default), *(config_hash(changed(default, **c)) for c in changes)}
    assert len(hashes) == len(changes) + 1


def test_the_order_of_the_keys_does_not_change_the_hash(default):
    sections = {k: dict(reversed(v.items())) for k, v in default.items() if isinstance(v, dict)}
    backward = dict(reversed({**default, **sections}.items()))
    assert list(backward) != list(default)
    assert config_hash(backward) == config_hash(default)

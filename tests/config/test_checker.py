"""Configs that share sections with a checked one are checked as each would be alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from scyan_exp.config.check import Checker, read_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.plain_values import with_values
from scyan_exp.config.problems import plain_config
from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError

Change = dict[tuple[str | int, ...], Any]
STOPPING = ("callbacks", "early_stopping", "_target_")


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    return plain_config(compose_config([]))


def told(check: Any, plain: dict[str, Any]) -> RunConfig | str:
    try:
        return check(plain)
    except InputError as error:
        return str(error)


CHANGES: list[Change] = [
    {},
    {("seed",): 5},
    {("seed",): -1},
    {("seed",): 7, ("model", "lr"): 0.5},
    {("model", "prior_std"): 3},
    {("model", "prior_std"): "${x}"},
    {("dataset", "transform"): "log"},
    {("dataset", "_target_"): "scyan_exp.data.H5ad"},
    {("table", "drop"): ["a"], ("objective",): "los"},
    {("objective",): "accuracy", ("dataset", "label_key"): None},
    {STOPPING: "os.system"},
    {STOPPING: "os.system", ("seed",): "x", ("trainer", "max_epochs"): 0},
    {("trainer", "max_epoch"): 3},
    {("callbacks",): {}},
    {("callbacks",): None},
    {("unknown",): 1},
    {("mine",): {"_target_": "os.system"}},
    {("figures", "draw"): ["los"]},
    {("logger", "project"): "a/b"},
    {("correct", "batch_ref"): "a"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_another_config_is_checked_as_if_it_were_the_only_one(base, change):
    check, changed = Checker(base), with_values(base, change)
    expected = told(read_config, changed)
    assert told(check, changed) == expected  # what is the same is the same object
    assert told(check, copy.deepcopy(changed)) == expected  # equal, and none of it the same
    assert told(check, changed) == expected
    if isinstance(expected, RunConfig):
        assert check(changed).plain() == changed
        assert check(changed).hash == expected.hash


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_is_wrong_with_the_first_one_is_told_of_those_that_share_it(base, change):
    first = with_values(base, change)
    check = Checker(first)
    for other in ({("seed",): 3}, {("model", "lr"): 0.25}, {("name",): "mine"}):
        changed = with_values(first, other)
        assert told(check, changed) == told(read_config, changed)


@pytest.mark.parametrize("key", ["seed", "ckpt_path", "dataset", "callbacks", "predict"])
def test_a_key_that_is_missing_is_not_taken_from_the_first_one(base, key):
    without = {name: value for name, value in base.items() if name != key}
    assert told(Checker(base), without) == told(read_config, without)
    assert told(Checker(without), base) == told(read_config, base)
    assert told(Checker(without), without) == told(read_config, without)


def test_each_key_may_have_another_value_than_in_the_first_one():
    check = Checker({"seed": 3})
    assert told(check, {"seed": -1}) == told(read_config, {"seed": -1})
    assert "seed: expected" in told(check, {"seed": -1})


def test_what_is_the_same_is_checked_once(base):
    check = Checker(base)
    one, other = (check(with_values(base, {("model", "lr"): lr})) for lr in (0.1, 0.2))
    assert (one.model.lr, other.model.lr) == (0.1, 0.2)
    assert one.dataset is other.dataset
    assert one.trainer is other.trainer
    assert check(base).model is check(base).model

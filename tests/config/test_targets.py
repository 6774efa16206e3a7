"""The allow-list of ``_target_`` names whole names: nothing before them, nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from scyan_exp.config.check import read_config
from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError
from tests.config.test_check import changed, default

__all__ = ["default"]

ALLOWED = [
    "scyan_exp.Scyan",
    "scyan_exp.data.H5adDataset",
    "scyan_exp.data.load_table",
    "scyan_exp.training.stopping.EarlyStopping",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.loggers.CSVLogger",
]


def check(default: dict[str, Any], target: str) -> RunConfig:
    return read_config(changed(default, callbacks={"x": {"_target_": target}}))


@pytest.mark.parametrize("target", ALLOWED)
def test_a_whole_name_is_allowed(default, target):
    assert check(default, target).callbacks["x"].target == target


@pytest.mark.parametrize("target", ALLOWED)
@pytest.mark.parametrize("change", ["x{}", "os.{}", "{}.x", "{}-x", "{} "])
def test_a_name_that_only_holds_an_allowed_one_is_refused(default, target, change):
    name = change.format(target)
    with pytest.raises(InputError) as refused:
        check(default, name)
    (problem,) = refused.value.problems
    assert f"callbacks.x._target_: {name!r} is not allowed" in str(problem)

"""The allow-list of ``_target_`` names whole names: nothing before them, nothing behind."""

from __future__ import annotations

import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError

ALLOWED = [
    "scyan_exp.Scyan",
    "scyan_exp.data.H5adDataset",
    "scyan_exp.data.load_table",
    "scyan_exp.training.stopping.EarlyStopping",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.loggers.CSVLogger",
]


def check(target: str) -> RunConfig:
    override = f"callbacks={{x:{{_target_:'{target}'}}}}"
    return check_config(compose_config([f"+{override}", "callbacks=none"]))


@pytest.mark.parametrize("target", ALLOWED)
def test_a_whole_name_is_allowed(target):
    assert check(target).callbacks["x"].target == target


@pytest.mark.parametrize("target", ALLOWED)
@pytest.mark.parametrize("change", ["x{}", "os.{}", "{}.x", "{}-x", "{} "])
def test_a_name_that_only_holds_an_allowed_one_is_refused(target, change):
    name = change.format(target)
    with pytest.raises(InputError) as refused:
        check(name)
    (problem,) = refused.value.problems
    assert f"callbacks.x._target_: {name!r} is not allowed" in str(problem)

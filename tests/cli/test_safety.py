"""What Hydra itself may make is named in full: nothing before the name, nothing behind."""

from __future__ import annotations

import pytest

from scyan_exp.cli.safety import unsafe_problems

ALLOWED = [
    "optuna.samplers.TPESampler",
    "optuna.pruners.MedianPruner",
    "scyan_exp.search.pruners.StalledPruner",
]


def problems(target: str) -> list[str]:
    return unsafe_problems(["hydra/sweeper=study", f"hydra.sweeper.sampler={{_target_:{target}}}"])


@pytest.mark.parametrize("target", ALLOWED)
def test_a_whole_name_is_allowed(target):
    assert problems(target) == []


@pytest.mark.parametrize("target", ALLOWED)
@pytest.mark.parametrize("change", ["x{}", "os.{}", "{}.x", "{}-x"])
def test_a_name_that_only_holds_an_allowed_one_is_refused(target, change):
    name = change.format(target)
    assert problems(name) == [f"hydra.sweeper.sampler._target_: {name!r} is not allowed"]

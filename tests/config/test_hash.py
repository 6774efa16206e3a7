"""A config's hash through the whole check: what decides a result is in it."""

from __future__ import annotations

import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config


def hash_of(*overrides: str) -> str:
    return check_config(compose_config(overrides)).hash


@pytest.mark.parametrize(
    "override",
    [
        "trainer.precision=bf16-mixed",
        "+trainer.max_steps=7",
        "+trainer.gradient_clip_val=1",
        "model.lr=0.1",
        "repeats=3",
    ],
)
def test_what_decides_the_result_changes_the_hash(override):
    assert hash_of(override) != hash_of()


@pytest.mark.parametrize("override", ["trainer.devices=2", "trainer.accelerator=gpu", "name=mine"])
def test_where_it_runs_and_its_name_do_not(override):
    assert hash_of(override) == hash_of()

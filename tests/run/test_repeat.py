"""The trainings that a run with repeats consists of."""

from __future__ import annotations

from pathlib import Path

import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.run.repeat import Repeat, repeats_of


def repeats(*overrides: str) -> list[Repeat]:
    return repeats_of(check_config(compose_config([*overrides, "seed=3"])), Path("run"))


def test_a_single_run_has_none():
    assert repeats() == []


def test_they_differ_in_the_seed_and_lie_in_the_folder_of_the_run():
    found = repeats("repeats=4")
    assert [one.seed for one in found] == [one.config.seed for one in found] == [3, 4, 5, 6]
    assert [one.folder for one in found] == [Path("run") / f"seed_{seed}" for seed in (3, 4, 5, 6)]
    assert {one.config.repeats for one in found} == {1}
    assert {one.config.model.init for one in found} == {"identity"}


@pytest.mark.parametrize("n_repeats", [5, 11])
def test_every_fifth_starts_at_random(n_repeats):
    found = repeats(f"repeats={n_repeats}")
    starts = [one.config.model.init for one in found]
    assert [i for i, start in enumerate(starts) if start == "reference"] == [4, 9][: n_repeats // 5]
    written = [one.config.plain()["model"]["init"] for one in found]
    assert written == starts
    single = check_config(compose_config(["seed=7", "model.init=reference"]))
    assert found[4].config.hash == single.hash


def test_those_that_start_at_random_anyway_are_left_alone():
    found = repeats("repeats=5", "model=reference")
    single = check_config(compose_config(["seed=7", "model=reference"]))
    assert found[4].config.hash == single.hash

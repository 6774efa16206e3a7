"""What Hydra itself may make is named in full: nothing before the name, nothing behind."""

from __future__ import annotations

import os

import pytest

from scyan_exp.cli.safety import unsafe_problems
from scyan_exp.config.compose import configs_folder, groups

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


#: Our files that choose parts of Hydra's.
REACHING = [
    f"{group}={name}"
    for group, names in groups().items()
    for name in names
    if "hydra" in (configs_folder() / group / f"{name}.yaml").read_text()
]


@pytest.mark.parametrize("choice", REACHING)
def test_what_our_own_files_choose_of_hydra_is_allowed(choice):
    """So a command line that only chooses these is not composed to be checked."""
    assert unsafe_problems([choice]) == unsafe_problems([choice, "hydra.verbose=false"]) == []


@pytest.mark.parametrize("begins", ["experiment=", "experiment=smoke,", "+experiment="])
def test_a_file_outside_of_our_folders_makes_nothing_run(scyan_exp, tmp_path, begins):
    victim, file = tmp_path / "victim", tmp_path / "evil.yaml"
    callback = f"{{_target_: builtins.open, file: {victim}, mode: w}}"
    file.write_text(f"# @package _global_\nhydra: {{callbacks: {{x: {callback}}}}}\n")
    path = os.path.relpath(file.with_suffix(""), configs_folder() / "experiment")
    code, output = scyan_exp("train", "-m", f"{begins}{path}")
    assert code == 2
    assert "Traceback" not in output
    assert not victim.exists()


@pytest.mark.parametrize("key", ["hydra", " hydra", "hydra.callbacks", "+hydra.callbacks"])
def test_hydras_part_is_looked_at_however_its_key_is_written(key):
    value = "{x:{_target_:os.mkdir}}"
    value = f"{{callbacks:{value}}}" if key.strip() == "hydra" else value
    assert unsafe_problems([f"{key}={value}", "seed=1"])

"""A config that was checked: sections as attributes, frozen, and leaving as it came."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from scyan_exp.config.check import read_config
from scyan_exp.config.hashing import config_hash
from scyan_exp.config.schema import TrainerConfig
from scyan_exp.data import H5adDataset
from scyan_exp.errors import InputError
from tests.config.test_check import changed, default

__all__ = ["default"]


def test_sections_are_attributes_and_nothing_can_be_changed(default):
    config = read_config(default)
    assert config.model.prior_std == default["model"]["prior_std"]
    assert config.dataset.n_cells == default["dataset"]["n_cells"]
    assert config.callbacks["early_stopping"].monitor == "loss"
    for part, name in ((config, "seed"), (config.model, "lr"), (config.dataset, "n_cells")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, 1)


@pytest.mark.parametrize(
    ("devices", "accelerator", "n_processes", "gpus"),
    [(1, "cpu", 1, []), (3, "cpu", 3, []), (2, "gpu", 2, [0, 1]), ([3, 1], "gpu", 2, [3, 1])],
)
def test_a_trainer_says_its_processes_and_gpus(default, devices, accelerator, n_processes, gpus):
    config = changed(default, trainer__devices=devices, trainer__accelerator=accelerator)
    trainer = read_config(config).trainer
    assert (trainer.n_processes, trainer.gpus) == (n_processes, gpus)
    assert trainer.on_gpu == (accelerator == "gpu")


def test_a_config_leaves_as_it_came(default):
    """Numbers as they were typed: files and hashes of earlier runs know them so."""
    given = changed(default, model__temperature=1, dataset__cofactor=5, model__warm_up=[0.35, 4])
    config = read_config(given)
    assert config.plain() == given
    assert type(config.plain()["model"]["temperature"]) is int
    assert config.hash == config_hash(given)
    config.plain()["model"]["temperature"] = 3
    assert config.plain() == given


def test_a_repeat_is_the_same_config_with_a_seed_of_its_own(default):
    config = read_config({**default, "repeats": 3, "seed": 5})
    repeat = config.repeat(6)
    assert (repeat.seed, repeat.repeats, repeat.plain()["seed"]) == (6, 1, 6)
    assert repeat.hash == read_config({**default, "seed": 6}).hash
    assert (config.seed, config.repeats, config.plain()["repeats"]) == (5, 3, 3)


def test_the_umap_is_drawn_once_for_all_repeats(default):
    given = changed(default, figures__umap=True, figures__draw=["loss"])
    repeat = read_config({**given, "repeats": 3}).repeat(6)
    assert (repeat.figures.umap, repeat.figures.draw) == (False, ["loss"])
    assert repeat.plain() == {**given, "seed": 6, "figures": {**given["figures"], "umap": False}}
    assert read_config(repeat.plain()) == repeat


def test_hyperparameters_can_be_changed(default):
    config = read_config(default)
    other = config.with_model(init="reference", lr=0.5)
    assert (other.model.init, other.model.lr) == ("reference", 0.5)
    assert other.plain() == changed(default, model__init="reference", model__lr=0.5)
    assert other.dataset is config.dataset
    assert config.plain() == default
    assert config.model.lr == default["model"]["lr"]


@pytest.mark.parametrize("value", [True, 1.5, [3], {}])
def test_a_batch_is_a_name_or_a_number(default, value):
    with pytest.raises(InputError, match=r"correct\.batch_ref"):
        read_config(changed(default, correct__batch_ref=value, dataset__batch_key="plate"))


def test_a_batch_may_be_a_number(default):
    """Whose name it is: columns of numbers are read as text."""
    config = changed(default, correct__batch_ref=3, dataset__batch_key="plate")
    assert read_config(config).correct.batch_ref == "3"


def test_python_code_may_give_a_tuple_of_names():
    dataset = H5adDataset(path="cells.h5ad", categorical_covariates=("sex", "batch"))
    assert dataset.categorical_covariates == ["sex", "batch"]


def test_a_path_may_be_given_as_one():
    assert H5adDataset(path=Path("cells.h5ad")).path == "cells.h5ad"


def test_the_trainer_takes_what_was_given_and_nothing_else(default):
    given = {key: value for key, value in default["trainer"].items() if key != "_target_"}
    config = changed(default, trainer__gradient_clip_val=0.5)
    assert read_config(config).trainer.arguments() == {**given, "gradient_clip_val": 0.5}
    assert "precision" not in TrainerConfig(accelerator="cpu", devices=1, max_epochs=1).arguments()


def test_a_callback_leaves_as_it_came(default):
    values = {"_target_": "pytorch_lightning.callbacks.EarlyStopping", "monitor": "x", "verbose": 1}
    callback = read_config(changed(default, callbacks={"mine": values})).callbacks["mine"]
    assert callback.plain() == values
    assert callback.monitor == "x"
    bare = {"_target_": "pytorch_lightning.callbacks.Timer"}
    callback = read_config(changed(default, callbacks={"mine": bare})).callbacks["mine"]
    assert (callback.plain(), callback.monitor) == (bare, None)


@pytest.mark.parametrize(
    ("backend", "mode", "uses"),
    [("wandb", "offline", True), ("wandb", "disabled", False), ("none", "online", False)],
)
def test_a_logger_that_is_disabled_is_none(default, backend, mode, uses):
    config = read_config(changed(default, logger__backend=backend, logger__mode=mode))
    assert config.logger.uses_wandb is uses


def test_what_was_given_can_be_changed_without_changing_the_config(default):
    given = changed(default)
    config = read_config(given)
    given["model"]["lr"] = 9
    other = config.changed(seed=4)
    other.plain()["model"]["lr"] = 9
    assert config.plain() == default
    assert other.plain() == {**default, "seed": 4}
    assert (other.seed, config.seed) == (4, default["seed"])


@pytest.mark.parametrize(("objective", "names"), [("loss", ["loss"]), (["loss", "heuristic"],) * 2])
def test_objectives_are_one_or_several_names(default, objective, names):
    assert read_config(changed(default, objective=objective)).objectives == names


def test_a_hash_stays_what_it_was():
    """Files of earlier runs have it."""
    plain = {"seed": 1, "b": [1, None], "a": {"z": 0.5}, "trainer": {"devices": 2, "max_epochs": 3}}
    known = config_hash(plain)
    assert known == "96d7520929dacf72"
    assert config_hash({**plain, "repeats": 1, "name": "x"}) == known
    assert config_hash({**plain, "repeats": 2}) != known
    assert config_hash({"seed": 1}) == config_hash({"seed": 1, "trainer": {}})
    assert config_hash({"path": Path("a")}) == config_hash({"path": "a"})

"""A config that was checked: sections as attributes, frozen, and leaving as it came."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scyan_exp.config.check import read_config
from scyan_exp.config.schema import config_hash
from scyan_exp.data import H5adDataset
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


def test_python_code_may_give_a_tuple_of_names():
    dataset = H5adDataset(path="cells.h5ad", categorical_covariates=("sex", "batch"))
    assert dataset.categorical_covariates == ["sex", "batch"]

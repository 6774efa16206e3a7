"""What a command line composes, and what is said when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config, configs_folder
from scyan_exp.config.overrides import flags_first
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def composed(scyan_exp):
    """The config that ``scyan-exp train ... --cfg job`` prints."""

    def compose(*arguments: str):
        code, output = scyan_exp("train", *arguments, "--cfg", "job")
        assert code == 0, output
        return OmegaConf.create(output)

    return compose


@pytest.fixture
def refused(scyan_exp, tmp_path):
    """What is said of a command line with mistakes; nothing is written."""

    def refuse(*arguments: str) -> str:
        before = files_below(tmp_path)
        code, output = scyan_exp("train", *arguments)
        assert code == 2, output
        assert "Traceback" not in output
        assert "Error" not in output
        assert files_below(tmp_path) == before
        return output

    return refuse


@pytest.fixture
def own_group(tmp_path):
    """A folder with an option of the user's own in a group of ours, and a group of its own."""
    folder = tmp_path / "mine"
    (folder / "prior").mkdir(parents=True)
    (folder / "prior" / "wide.yaml").write_text("# @package model\nprior_std: 0.75\n")
    (folder / "study").mkdir()
    (folder / "study" / "first.yaml").write_text("# @package _global_\ntags: [study]\n")
    return folder


def test_the_configs_are_found_wherever_the_command_runs(scyan_exp):
    assert (configs_folder() / "train.yaml").is_file()
    code, output = scyan_exp("train", "--cfg", "job", "--package", "model")
    assert code == 0
    assert "_target_: scyan_exp.Scyan" in output


def test_a_value_wins_over_its_group_in_either_order(composed):
    for overrides in (
        ["prior=tight", "model.prior_std=0.25"],
        ["model.prior_std=0.25", "prior=tight"],
    ):
        assert composed(*overrides).model.prior_std == 0.25


@given(st.data())
def test_flags_may_stand_anywhere(data):
    overrides = ["a=1", "~b", "+c.d=[1,2]", "e=-3", "f='x y'"]
    flags = [["-m"], ["--config-dir", "a=b"], ["--cfg=job"], ["-p", "_global_"], ["--info", "all"]]
    mixed = [[override] for override in overrides]
    for flag in flags:
        mixed.insert(data.draw(st.integers(0, len(mixed))), flag)
    found = flags_first([part for one in mixed for part in one])
    assert found == [part for one in mixed if one in flags for part in one] + overrides


def test_a_flag_between_overrides_is_taken(composed, scyan_exp, own_group):
    config = composed("seed=3", "--config-dir", str(own_group), "prior=wide", "--resolve", "name=a")
    assert (config.seed, config.model.prior_std, config.name) == (3, 0.75, "a")
    _, output = scyan_exp("train", "seed=3", "--multirun", "prior=tigth")
    assert "Did you mean 'tight'?" in output


def test_groups_combine(composed):
    model = composed("flow=deep", "prior=tight", "temperature=high", "logger=none").model
    assert (model.n_layers, model.prior_std, model.temperature) == (10, 0.2, 2.0)


def test_an_experiment_can_be_overridden(composed):
    config = composed("experiment=smoke", "model.lr=0.01", "flow=deep")
    assert config.model.lr == 0.01
    assert config.model.n_layers == 10
    assert config.model.max_samples == 4000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", 32),
        ("n_hidden_layers", 3),
        ("n_layers", 5),
        ("prior_std", 0.25),
        ("warm_up", [0.5, 2]),
        ("lr", 0.001),
        ("batch_size", 100),
        ("temperature", 1.5),
        ("modulo_temp", 2),
        ("max_samples", None),
        ("continuum_markers", ["CD4"]),
    ],
)
def test_each_hyperparameter_has_the_name_of_the_reference(name, value):
    text = "null" if value is None else str(value).replace("'", "")
    assert compose_config([f"model.{name}={text}"]).model[name] == value


def test_seed_zero_stays_zero(composed):
    assert composed("seed=0").seed == 0


def test_a_subset_of_the_cells_is_given_as_the_config_says(composed):
    config = composed("dataset=h5ad", "dataset.path=c.h5ad", "dataset.subset={batch:Plate3}")
    assert config.dataset.subset == {"batch": "Plate3"}


def test_all_bad_overrides_are_named_at_once(refused):
    output = refused(
        "model.priorstd=1", "flow=depp", "model.prior_std=7", "trainer.max_epoch=3", "sead=1"
    )
    assert output.startswith("config: 5 problems")
    assert "flow=depp: no such option. Did you mean 'deep'?" in output
    assert "flow can be deep, default, shallow" in output
    assert "model.priorstd: unknown key. Did you mean 'model.prior_std'?" in output
    assert "trainer.max_epoch: unknown key. Did you mean 'trainer.max_epochs'?" in output
    assert "sead: unknown key. Did you mean 'seed'?" in output
    assert "model.prior_std: expected a number less than 1, found 7" in output


def test_values_are_checked_even_where_all_overrides_compose(refused):
    output = refused("model.prior_std=2", "model.lr=-1", "model.n_layers=many")
    assert output.startswith("config: 3 problems")


def test_a_missing_path_is_named_beside_a_bad_key(refused):
    output = refused("dataset=h5ad", "model.priorstd=1")
    assert "model.priorstd: unknown key" in output
    assert "dataset.path: a value is required" in output


def test_an_unknown_group_names_its_near_match(refused):
    assert "Did you mean 'flow'" in refused("flwo=deep")


def test_an_unknown_key_of_a_section_is_not_mistaken_for_the_section(refused):
    assert "Did you mean 'dataset'?" not in refused("dataset.foo=1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "seed=0,1", "prior=tight,tigth"),
        ("-m", "prior=tigth", "seed=0,1"),
        ("--multirun", "prior=tight,tigth", "temperature=low,high"),
    ],
)
def test_one_bad_option_in_a_sweep_stops_it_before_it_starts(refused, arguments):
    output = refused(*arguments)
    assert "Did you mean 'tight'?" in output
    assert output.count("tigth") == 1


def test_a_bad_key_in_a_sweep_is_named(refused):
    assert "Did you mean 'model.n_layers'?" in refused("-m", "seed=0,1", "model.nlayers=3,4")


def test_a_sweep_without_its_flag_is_explained(refused):
    assert "seed=0,1" in refused("seed=0,1")


@pytest.mark.parametrize("override", ["model.prior_std=[1", "model.prior_std", "=3", "a b=1"])
def test_what_is_no_override_is_shown(refused, override):
    assert override in refused(override, "logger=none")


def test_adding_a_key_that_exists_is_explained(refused):
    assert "model.lr" in refused("+model.lr=3")


def test_removing_a_key_that_does_not_exist_is_explained(refused):
    assert "model.priorstd" in refused("~model.priorstd")


def test_a_removed_key_is_missed(refused):
    assert "model.lr: a value is required" in refused("~model.lr")


@pytest.mark.parametrize("flag", ["--cfg=nothing", "--foo"])
def test_an_unknown_flag_is_refused(scyan_exp, flag):
    code, output = scyan_exp("train", flag)
    assert code == 2
    assert "usage: " in output
    assert "Traceback" not in output


def test_a_users_own_option_is_found(composed, own_group):
    config = composed("--config-dir", str(own_group), "prior=wide")
    assert config.model.prior_std == 0.75


def test_a_users_own_group_is_found(composed, own_group):
    config = composed(f"--config-dir={own_group}", "+study=first", "prior=wide")
    assert config.tags == ["study"]


def test_a_users_own_option_is_among_the_choices(refused, own_group):
    output = refused("--config-dir", str(own_group), "prior=wiide", "model.lr=0")
    assert "Did you mean 'wide'?" in output
    assert "prior can be default, loose, tight, wide" in output
    assert "model.lr: expected" in output


def test_a_config_folder_that_does_not_exist_is_named_once(refused, tmp_path):
    output = refused("--config-dir", str(tmp_path / "nowhere"), "seed=1")
    assert "nowhere" in output
    assert "UserWarning" not in output


def test_a_cofactor_by_marker_is_composed_and_checked():
    override = "dataset.cofactor={CD3:100,HLA-DR:7.5,default:150}"
    config = check_config(compose_config(["dataset.transform=asinh", override]))
    assert config.dataset.cofactor == {"CD3": 100, "HLA-DR": 7.5, "default": 150}
    with pytest.raises(
        InputError, match=r"dataset\.cofactor: expected a number greater than 0, or"
    ):
        check_config(compose_config(["dataset.cofactor={CD3:-1}"]))

"""Composing from Python: folders of groups, and what is kept of an error of Hydra's."""

from __future__ import annotations

import warnings
from logging.config import dictConfig

import pytest
from hydra.errors import HydraException, MissingConfigException

from scyan_exp.config import compose as composing
from scyan_exp.config.compose import (
    compose_config,
    first_lines,
    groups,
    options_of_hydra,
    quiet_presets,
)
from tests.config.test_compose import own_group

__all__ = ["own_group"]


def test_hydras_own_part_is_there_if_asked_for():
    assert "hydra" not in compose_config(["seed=3"])
    whole = compose_config(["seed=3"], with_hydra=True)
    assert (whole.seed, whole.hydra.job.name) == (3, "train")


def test_our_files_are_in_the_package_when_it_is_installed_and_else_beside_it(
    tmp_path, monkeypatch
):
    package = tmp_path / "scyan_exp"
    monkeypatch.setattr(composing, "__file__", str(package / "config" / "compose.py"))
    assert composing.configs_folder() == tmp_path / "configs"
    (package / "configs").mkdir(parents=True)
    assert composing.configs_folder() == package / "configs"


def test_a_name_longer_than_those_of_files_is_that_of_none():
    with pytest.raises(MissingConfigException, match=r"^no file can have this name$"):
        compose_config([f"dataset={'a' * 5000}"])


def test_folders_of_groups_are_searched_beside_those_of_the_command_line(own_group, monkeypatch):
    other = own_group.parent / "otherX"
    (other / "prior").mkdir(parents=True)
    (other / "prior" / "narrow.yaml").write_text("# @package model\nprior_std: 0.05\n")
    path = f"hydra.searchpath=[file://{other}]"
    monkeypatch.chdir(own_group.parent)
    for choice, std in (("wide", 0.75), ("narrow", 0.05)):
        overrides = ["seed=3", path, f"prior={choice}", "model.lr=0.5"]
        config = compose_config(overrides, ["mine"])
        assert (config.seed, config.model.prior_std, config.model.lr) == (3, std, 0.5)
    assert compose_config([path, "prior=narrow"]).model.prior_std == 0.05
    both = compose_config(["+study=first", "prior=narrow"], [str(other), "mine"])
    assert (both.tags, both.model.prior_std) == (["study"], 0.05)


def test_groups_are_ours_and_the_users_without_parts_of_options(own_group):
    (own_group / "prior" / "_part.yaml").write_text("x: 1\n")
    (own_group / "prior" / "tight.yaml").write_text("x: 1\n")
    found = groups([str(own_group)])
    assert found["prior"] == ["default", "loose", "tight", "wide"]
    assert found["study"] == ["first"]
    assert found["flow"] == groups()["flow"] == ["deep", "default", "shallow"]
    assert "study" not in groups()
    assert not [name for names in found.values() for name in names if name.startswith("_")]


def test_a_preset_of_anothers_launcher_composes_without_a_warning():
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = compose_config(["hydra/launcher=joblib"], with_hydra=True)
    assert config.hydra.launcher.n_jobs == -1


def test_other_warnings_are_still_told():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        quiet_presets()
        for text in ("\n'hydra/launcher/mine' is validated against a schema", "something else"):
            warnings.warn(text, stacklevel=1)
    assert [str(one.message) for one in told] == ["something else"]


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("first"), "first"),
        (ValueError("\n  first \n\n second\n"), "first: second"),
        (ValueError("a\nb\nc\nd"), "a: b: c"),
        (ValueError("a\nfull_key: model.lr\nobject_type=dict\nb"), "a: b"),
        (ValueError("a\na\nb"), "a: b"),
        (caused(ValueError("a"), HydraException("b\nc")), "a: b: c"),
        (caused(ValueError("a"), caused(HydraException("a"), ValueError("b"))), "a: a: b"),
        (caused(ValueError("a"), KeyError("b")), "a"),
        (ValueError(""), ""),
    ],
    ids=range(9),
)
def test_of_an_error_of_hydra_the_first_lines_are_kept(error, text):
    assert first_lines(error) == text


def test_of_a_log_that_cannot_be_opened_the_reason_is_said(tmp_path):
    handler = {"class": "logging.FileHandler", "filename": str(tmp_path)}
    with pytest.raises(ValueError, match="Unable to configure handler") as raised:
        dictConfig({"version": 1, "handlers": {"file": handler}, "root": {"handlers": ["file"]}})
    said = first_lines(raised.value)
    assert said == f"Unable to configure handler 'file': {tmp_path}: Is a directory"


def test_options_of_hydras_own_groups_are_those_of_plugins_and_of_ones_own_folder(tmp_path):
    (tmp_path / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "hydra" / "launcher" / "mine.yaml").write_text("defaults: [fleet]\n")
    theirs = options_of_hydra("hydra/launcher")
    assert {"basic", "fleet", "joblib"} <= set(theirs)
    assert options_of_hydra("hydra/launcher", [str(tmp_path)]) == sorted([*theirs, "mine"])
    assert options_of_hydra("hydra/nothing") == []

"""Hydra's schemas of settings: made from pydantic's, and the same."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ValidationError
from pydantic import BaseModel, Field

from scyan_exp.config.structured import hydra_dataclass, hydra_type

Count = Annotated[int, Field(ge=1)]


class Inner(BaseModel):
    n: int = 3


class Settings(BaseModel):
    """Settings of the tests."""

    name: str = "a"
    count: Count | None = None
    kind: Literal["x", "y"] = "x"
    many: list[Count] = [1, 2]
    deep: dict[str, list[int]] = {"a": [1]}
    made: list[int] = Field(default_factory=lambda: [7])
    inner: Inner = Inner()


TARGET = "tests.config.test_structured.Launcher"


@pytest.fixture
def conf() -> type[Any]:
    return hydra_dataclass(Settings, TARGET, "Conf")


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, int),
        (Count, int),
        (bool, bool),
        (str | None, str | None),
        (Count | None, int | None),
        (Literal["a", "b"], str),
        (Literal["a", "b"] | None, str | None),
        (Literal["a", 1], Any),
        (Literal["auto"] | list[int], Any),
        (str | int, Any),
        (str | int | None, Any),
        (dict[str, Any], Any),
        (Inner, Any),
        (list[int] | None, Any),
    ],
)
def test_what_hydra_can_check_it_checks(annotation, expected):
    assert hydra_type(annotation) == expected


def test_names_and_defaults_are_those_of_the_settings(conf):
    plain = OmegaConf.to_container(OmegaConf.structured(conf))
    assert plain.pop("_target_") == TARGET
    assert plain == Settings().model_dump()
    assert list(plain) == list(Settings.model_fields)
    assert "_recursive_" not in plain
    quiet = hydra_dataclass(Settings, TARGET, "Conf", recursive=False)
    assert OmegaConf.structured(quiet)._recursive_ is False


def test_no_config_shares_its_lists_with_another(conf):
    one, other = conf(), conf()
    one.many.append(3)
    one.deep["a"].append(2)
    one.inner["n"] = 4
    assert (other.many, other.deep, other.inner) == ([1, 2], {"a": [1]}, {"n": 3})
    assert Settings() == Settings(inner=Inner(n=3), many=[1, 2])


def test_unknown_keys_and_wrong_types_are_refused_by_the_schema(conf):
    config = OmegaConf.structured(conf)
    config.count = "7"
    assert config.count == 7
    with pytest.raises(ValidationError):
        config.count = "many"
    with pytest.raises(AttributeError):
        config.cuont = 3


def test_it_is_found_where_pickled_configs_look_for_it(conf):
    assert (conf.__module__, conf.__name__) == (TARGET.rpartition(".")[0], "Conf")
    assert dataclasses.is_dataclass(conf)
    assert conf.__doc__ == Settings.__doc__


def test_hydras_schema_of_a_search_has_every_setting():
    from hydra_plugins.study_sweeper.study_sweeper import StudySweeperConf
    from scyan_exp.search.settings import StudySettings, check_study

    plain = OmegaConf.to_container(OmegaConf.structured(StudySweeperConf))
    assert plain["_target_"].endswith(".StudySweeper")
    assert plain["_recursive_"] is False
    values = {key: value for key, value in plain.items() if not key.startswith("_")}
    assert check_study(values) == StudySettings()
    assert StudySweeperConf.__module__ == "hydra_plugins.study_sweeper.study_sweeper"

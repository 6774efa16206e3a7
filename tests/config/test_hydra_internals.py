"""What we use of the insides of Hydra and OmegaConf does what we think it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, OmegaConf

from scyan_exp.config.compose import configs_folder
from scyan_exp.config.hydra_internals import (
    can_be_replaced,
    leads_elsewhere,
    override_dirname,
    read_once,
    repository_of,
)
from tests.fleet.grids import command

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "program"
    (folder / "db").mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\nsection:\n  size: 1\n")
    (folder / "db" / "small.yaml").write_text("size: 1\n")
    return folder


def test_a_file_that_is_edited_meanwhile_changes_no_later_job(program, tmp_path):
    with command(program, "config", tmp_path, None) as one:
        read_once(one.loader)
        assert one.loader.load_sweep_config(one.config, ["+db=small"]).db.size == 1
        (program / "db" / "small.yaml").write_text("size: 2\n")
        assert one.loader.load_sweep_config(one.config, ["+db=small", "seed=1"]).db.size == 1


@pytest.mark.usefixtures("composed_anew")
def test_what_one_job_changes_is_as_in_the_file_for_the_next(program, tmp_path):
    with command(program, "config", tmp_path, None) as one:
        read_once(one.loader)
        for change in ("section.size=3", "~section.size"):
            one.loader.load_sweep_config(one.config, [change])
            assert one.loader.load_sweep_config(one.config, []).section.size == 1


def test_groups_of_the_search_path_are_known(program, tmp_path):
    """``db`` is no group of ours; its folder is given on the command line."""
    always = [f"hydra.searchpath=[file://{program}]", "hydra.sweep.subdir=of_${hydra.job.num}"]
    with command(configs_folder(), "train", tmp_path, None, always) as one:
        assert repository_of(one.loader, one.config).group_exists("db")
        assert not repository_of(one.loader, one.config).group_exists("dc")
    with command(configs_folder(), "train", tmp_path, None) as one:
        assert not repository_of(one.loader, one.config).group_exists("db")
        assert repository_of(one.loader, one.config).group_exists("flow")


def test_groups_of_a_search_path_in_the_file_of_the_program_are_known(program, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text(f"hydra:\n  searchpath: ['file://{program}']\n")
    with command(other, "config", tmp_path, None) as one:
        assert repository_of(one.loader, one.config).group_exists("db")


def test_a_job_is_named_by_its_overrides_in_the_words_of_the_config():
    overrides = OverridesParser.create().parse_overrides(["b=2", "seed=3", "a=x"])
    words = {"exclude_keys": ["seed"], "item_sep": ";", "kv_sep": ":"}
    assert override_dirname(overrides, words) == "a:x;b:2"
    words = {"exclude_keys": [], "item_sep": ",", "kv_sep": "="}
    assert override_dirname(iter(overrides), words) == "a=x,b=2,seed=3"


@dataclass
class Typed:
    """A section with types."""

    number: int = 1
    anything: Any = None
    texts: list[str] = field(default_factory=list)
    inner: dict[str, int] = field(default_factory=dict)


CONFIG = OmegaConf.create(
    {
        "number": 1,
        "nothing": None,
        "list": [1, 2],
        "section": {"a": 1, "deep": {"b": "x"}},
        "other": "${number}",
        "alias": "${section}",
        "missing": "???",
        "empty": None,
        "typed": OmegaConf.structured(Typed),
        "texts": OmegaConf.typed_list(["a"], str) if hasattr(OmegaConf, "typed_list") else [],
    }
)


#: As Hydra composes it: new keys are refused.
CLOSED = CONFIG.copy()
OmegaConf.set_struct(CLOSED, True)
both = pytest.mark.parametrize("config", [CONFIG, CLOSED], ids=["open", "closed"])


@both
@pytest.mark.parametrize("key", ["number", "nothing", "list", "section.a", "section.deep.b"])
def test_an_untyped_value_can_be_replaced(config, key):
    assert can_be_replaced(config, key.split("."))


@both
@pytest.mark.parametrize(
    "key",
    [
        "section",  # a section is merged, not replaced
        "section.deep",
        "other",
        "alias",
        "alias.a",
        "missing",
        "missing.a",
        "unknown",
        "unknown.a",
        "nothing.a",
        "number.a",
        "list.0",
        "typed.number",  # 1.5 would be refused, "2" converted
        "typed.anything",
        "typed.texts",
        "typed.inner.a",
    ],
)
def test_what_is_typed_special_or_not_there_cannot_be(config, key):
    assert not can_be_replaced(config, key.split("."))


def test_the_whole_config_may_be_typed_or_nothing():
    assert not can_be_replaced(OmegaConf.structured(Typed), ["number"])
    nothing = OmegaConf.create({"a": {"b": 1}})
    nothing.a = None
    assert not can_be_replaced(nothing, ["a", "b"])


def test_lists_that_are_missing_or_lead_elsewhere_cannot_be_replaced():
    @dataclass
    class Lists:
        missing: list[Any] = MISSING
        elsewhere: list[Any] = "${other}"
        anything: list[Any] = field(default_factory=list)

    config = OmegaConf.create({"other": [1], "typed": OmegaConf.structured(Lists)})
    # The nodes alone: a section of the config that has no types of its own.
    config.untyped = {}
    for name in ("missing", "elsewhere", "anything"):
        node = config.typed._get_node(name)
        config.untyped._set_item_impl(name, node)
    assert can_be_replaced(config, ["untyped", "anything"])
    assert not can_be_replaced(config, ["untyped", "missing"])
    assert not can_be_replaced(config, ["untyped", "elsewhere"])


@both
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("other", True),
        ("alias", True),
        ("alias.a", True),
        ("alias.deep.b", True),
        ("section.a", False),
        ("section.deep.b", False),
        ("number", False),
        ("number.a", False),
        ("nothing.a", False),
        ("unknown", False),
        ("unknown.a", False),
        ("list", False),
    ],
)
def test_what_is_set_through_an_interpolation_is_set_elsewhere(config, key, expected):
    assert leads_elsewhere(config, key.split(".")) is expected

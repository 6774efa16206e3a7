"""What is remembered while a command runs is what Hydra composes anew."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest
from hydra._internal.config_repository import ConfigRepository
from hydra.core.global_hydra import GlobalHydra
from hydra.initialize import initialize_config_dir
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from scyan_exp.config import composed_once as remembering
from scyan_exp.config.compose import COMPOSE_ERRORS, compose_config, configs_folder
from scyan_exp.config.composed_once import composed_once

pytestmark = pytest.mark.usefixtures("composed_anew")

OVERRIDES = (
    "flow=deep",
    "flow=shallow",
    "flow=depe",
    "experiment=aml_paper",
    "+experiment=aml_paper",
    "search=quick",
    "hydra/launcher=fleet",
    "hydra/launcher=basic",
    "hydra.launcher.jobs_per_device=2",
    "hydra.mode=RUN",
    "seed=7",
    "seed=8",
    "+seed=9",
    "++seed=9",
    "model.lr=x",
    "+model.note={a: 1, b: [2]}",
    "model.prior_std=${model.lr}",
    "~logger",
    "~model.lr",
    "~seed",
    "dataset=???",
    "nothing=1",
)
LISTS = st.lists(st.sampled_from(OVERRIDES), max_size=4, unique=True)


def told(overrides: list[str], mode: RunMode) -> str:
    """The config, Hydra's part too, or the error; all as text."""
    with (
        warnings.catch_warnings(),
        initialize_config_dir(str(configs_folder()), version_base="1.3"),
    ):
        warnings.simplefilter("ignore")
        hydra = GlobalHydra.instance().hydra
        try:
            return OmegaConf.to_yaml(
                hydra.compose_config("train", overrides, mode, from_shell=False)
            )
        except COMPOSE_ERRORS as error:
            return f"{type(error).__name__}: {error}"


@settings(max_examples=6)
@given(st.lists(st.tuples(LISTS, st.sampled_from(RunMode)), min_size=2, max_size=4))
def test_what_is_remembered_is_what_hydra_composes(asked):
    with composed_once():
        remembered = [told(*one) for one in asked]
    assert remembered == [told(*one) for one in asked]


def test_a_choice_that_is_missing_may_be_one_that_a_sweep_has_yet_to_make():
    anew = [told(["dataset=???"], mode) for mode in (RunMode.MULTIRUN, RunMode.RUN)]
    with composed_once():
        assert [told(["dataset=???"], mode) for mode in (RunMode.MULTIRUN, RunMode.RUN)] == anew
    assert "model:" in anew[0]
    assert anew[1].startswith("ConfigCompositionException: ")


@pytest.fixture
def own_flow(tmp_path):
    """A group's option of one's own."""
    path = tmp_path / "configs" / "experiment" / "mine.yaml"
    path.parent.mkdir(parents=True)

    def write(seed: int) -> list[str]:
        path.write_text(f"# @package _global_\nseed: {seed}\n")
        return [str(tmp_path / "configs")]

    return write


def test_a_file_that_is_edited_changes_the_next_command(own_flow):
    with composed_once():
        assert compose_config(["experiment=mine"], own_flow(1)).seed == 1
        with composed_once():  # a command that starts another
            assert compose_config(["experiment=mine"], own_flow(2)).seed == 1
        assert compose_config(["model.lr=0.1", "experiment=mine"], own_flow(2)).seed == 1
    with composed_once():
        assert compose_config(["experiment=mine"], own_flow(2)).seed == 2
    assert compose_config(["experiment=mine"], own_flow(3)).seed == 3


def test_each_gets_a_config_of_its_own():
    with composed_once():
        one, other = compose_config([]), compose_config([])
        one.model.lr = 7
        assert other.model.lr == compose_config([]).model.lr != 7


def test_files_that_add_to_a_section_add_to_it_once(tmp_path):
    for group, key in (("mine", "a"), ("one", "b"), ("other", "c")):
        (tmp_path / group).mkdir()
        text = f"# @package _global_\nsection:\n  {key}: 1\n"
        (tmp_path / group / "x.yaml").write_text(text)
    with composed_once():
        sections = [
            compose_config(["+mine=x", *added], [str(tmp_path)]).section
            for added in (["+one=x"], ["+other=x"], ["+one=x", "seed=1"], [])
        ]
    assert sections == [{"a": 1, "b": 1}, {"a": 1, "c": 1}, {"a": 1, "b": 1}, {"a": 1}]


def test_of_two_options_of_a_group_the_last_one_counts():
    with composed_once():
        configs = [compose_config(o) for o in (["flow=deep", "flow=shallow"], ["flow=shallow"])]
        deep = compose_config(["flow=shallow", "flow=deep"])
    assert configs[0] == configs[1] == compose_config(["flow=shallow"])
    assert deep == compose_config(["flow=deep"]) != configs[0]


@pytest.fixture
def asked(monkeypatch) -> Counter:
    """How often Hydra itself lists, merges and reads files."""
    counts: Counter[str] = Counter()

    def counted(owner, name):
        original = getattr(owner, name)

        def count(*arguments, **keywords):
            counts[name] += 1
            return original(*arguments, **keywords)

        monkeypatch.setattr(owner, name, count)

    counted(remembering, "_create")
    counted(remembering, "_merge")
    counted(ConfigRepository, "load_config")
    return counts


def test_hydra_is_asked_once_for_each_choice_of_groups(asked):
    with composed_once():
        compose_config(["seed=1"])
        n_read = asked["load_config"]
        compose_config(["model.lr=0.1", "seed=2"])
        told(["seed=2", "hydra.mode=RUN"], RunMode.MULTIRUN)
        assert asked == {"_create": 1, "_merge": 1, "load_config": n_read}
        compose_config(["flow=deep", "prior=tight"])
        compose_config(["prior=tight", "seed=1", "flow=deep"])
        assert (asked["_create"], asked["_merge"]) == (2, 2)
        assert asked["load_config"] == n_read + 2  # those of the two options
    compose_config(["seed=1"])
    assert (asked["_create"], asked["_merge"]) == (3, 3)


def test_more_choices_than_are_remembered(monkeypatch, asked):
    flows = {flow: compose_config([f"flow={flow}"]) for flow in ("deep", "shallow")}
    monkeypatch.setattr(remembering, "MOST", 2)
    asked.clear()
    with composed_once():
        for flow in ("deep", "shallow", "deep"):
            assert compose_config([f"flow={flow}"]) == flows[flow]
        assert asked["_merge"] == 2
        compose_config([])  # one more than there is room for
        for flow in ("deep", "deep"):
            assert compose_config([f"flow={flow}"]) == flows[flow]
        assert asked["_merge"] == 4


def test_more_files_than_are_remembered(monkeypatch, asked):
    with composed_once():
        compose_config([])
        once = asked["load_config"]
        monkeypatch.setattr(remembering, "MOST_FILES", once)
        compose_config(["flow=deep"])
        assert asked["load_config"] == 2 * once - 1  # the main file is read before room is made
        asked.clear()
        compose_config(["flow=shallow"])
        assert asked["load_config"] == once

"""The pages that are made from the program: nothing is left out, and all have their sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from omegaconf import OmegaConf

import scyan_exp
from scripts.docs.api import NAMES, api_page
from scripts.docs.command_line import command_line_page, exit_codes
from scripts.docs.metrics import metrics_page
from scripts.docs.settings import groups_of, sections, settings_page
from scripts.docs.types import types_of
from scripts.docs.words import attributes, first_sentence, plain, sentence
from scyan_exp.cli.commands import commands
from scyan_exp.config.compose import compose_config, groups
from scyan_exp.config.objectives import METRICS
from scyan_exp.config.schema import ModelConfig
from scyan_exp.config.types import Section
from scyan_exp.run.job import DONE, FAILED, INTERRUPTED, WRONG_INPUT
from scyan_exp.run.outcome import Outcome
from scyan_exp.search.settings import OF_JOBS

SETTINGS = [one for _, settings in sections() for one in settings]
KEYS = {one.key for one in SETTINGS}
DATASETS = [f"dataset={one}" for one in groups()["dataset"]]
#: Parts of Hydra's that we declare, and what chooses them.
OURS = [
    ("launcher", "hydra/launcher=fleet"),
    ("sweeper", "search=quick"),
    ("sweeper", "search=table_entries"),
]


def keys_of(config: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The dotted names of all values; what the settings know as a whole stays whole."""
    for name, value in config.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and value and key not in KEYS:
            yield from keys_of(value, f"{key}.")
        elif name not in ("_target_", "_recursive_", *OF_JOBS) and value != {}:
            yield key


def composed(choice: str) -> dict[str, Any]:
    whole = compose_config([choice], with_hydra=True)
    return OmegaConf.to_container(whole, resolve=False)


@pytest.mark.parametrize("choice", DATASETS)
def test_every_key_of_a_config_is_told(choice):
    config = composed(choice)
    config.pop("hydra")
    keys = set(keys_of(config))
    assert len(keys) > 50
    assert keys <= KEYS


@pytest.mark.parametrize(("part", "choice"), OURS)
def test_every_key_of_the_fleet_and_of_searches_is_told(part, choice):
    keys = set(keys_of(composed(choice)["hydra"][part], f"hydra.{part}."))
    assert len(keys) > 2
    assert keys <= KEYS


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.anchor)
def test_every_key_has_a_sentence_and_a_type(setting):
    assert len(setting.meaning.split()) > 1
    assert setting.kind
    assert "anything" not in setting.kind
    assert not re.search(r"\bNone\b|``|:\w+:`", setting.meaning)


def test_no_two_keys_have_the_same_place():
    anchors = [one.anchor for one in SETTINGS]
    assert len(set(anchors)) == len(anchors) > 100


@pytest.mark.parametrize("group", sorted(groups_of()))
def test_every_option_of_a_group_has_a_sentence(group):
    assert all(len(one.about.split()) > 3 for one in groups_of()[group])
    page = settings_page()
    assert all(f"| `{one.choice}` | " in page for one in groups_of()[group])


def test_the_groups_are_those_of_the_command_line():
    ours = {group: [one.option for one in files] for group, files in groups_of().items()}
    launchers = ours.pop("hydra/launcher")
    assert ours == {group: names for group, names in groups().items() if group != "hydra"}
    assert launchers == ["joblib", "submitit_local", "submitit_slurm"]


def test_a_key_is_told_with_range_default_and_who_sets_it():
    assert (
        "### `model.prior_std` { #model.prior_std }\n\n"
        "How far cells of one population may lie from its row of the table, 0 to 1.\n\n"
        "number above 0 and below 1 · default `0.3` · "
        "set by `experiment=aml_paper` (`0.2`), `experiment=bmmc_paper` (`0.35`), "
        "`prior=loose` (`0.4`), `prior=tight` (`0.2`)\n"
    ) in settings_page()
    assert "text, or list of texts · must be given · of `dataset=csv`," in settings_page()


def test_types_in_words():
    class Some(Section):
        whole: int
        switch: bool = True
        either: float | str | None = None
        names: list[str] = []
        numbers: dict[str, int | None] = {}

    assert types_of(Some) == {
        "whole": "integer",
        "switch": "`true` or `false`",
        "either": "number, or text, or `null`",
        "names": "list of texts",
        "numbers": "mapping to (integer, or `null`)",
    }
    assert types_of(ModelConfig)["init"] == "`identity` or `reference`"
    pair = "list of 2: number above 0 and below 1; integer at least 0, or `null`"
    assert types_of(ModelConfig)["warm_up"] == pair


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_has_a_sentence(metric):
    words = first_sentence(metric.function)
    assert len(words.split()) > 2
    assert words.endswith(".")
    assert f"| `{metric.name}` | " in metrics_page()


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_sentence(outcome):
    assert outcome.meaning.endswith(".")
    assert f"| `{outcome}` | {outcome.meaning} |" in metrics_page()


def test_every_command_and_option_is_told():
    page = command_line_page()
    for command in commands().values():
        assert (f"\n## `{command.name}` " in page) == bool(command.summary)
        for option, words in command.options.items():
            typed = option.replace("|", r"\|")
            assert f"| `{typed}` | {sentence(words)} |".replace("||", "|") in page


def test_every_exit_code_is_told():
    assert set(exit_codes()) == {str(one) for one in (DONE, FAILED, WRONG_INPUT, INTERRUPTED)}


def test_the_front_door_is_told():
    named = set().union(*NAMES.values())
    public = {f"scyan_exp.{name}" for name in scyan_exp.__all__ if not name.startswith("_")}
    assert public <= named
    assert all(f"heading: {name}\n" in api_page() for name in named)


def test_words_of_docstrings():
    class Base:
        """One.

        Attributes:
            a: the first,
                in two lines; ``None`` for none.
            b: see :class:`~package.Other`.

        Example:
            c: no attribute.
        """

    class Derived(Base):
        """Two.

        Attributes:
            b: another.
        """

    assert attributes(Base) == {
        "a": "the first, in two lines; `null` for none.",
        "b": "see `Other`.",
    }
    assert attributes(Derived)["b"] == "another."
    assert attributes(Derived)["a"].startswith("the first")
    assert plain("True or\n  :func:`f`") == "true or `f`"
    assert sentence("a word") == "A word."
    assert sentence("metrics.csv and more.") == "metrics.csv and more."

"""What each key of a config means, and how it is told."""

from __future__ import annotations

import re

import pytest

from scyan_exp.config.compose import groups
from scyan_exp.config.meanings import COLUMN, WIDTH, explained, help_of, meanings

CHOICES = [
    f"{group}={option}"
    for group, options in groups().items()
    for option in options
    if group in ("dataset", "model", "trainer")  # a data set chooses its table
]


@pytest.mark.parametrize("choice", CHOICES)
def test_help_says_what_each_key_means(choice):
    told = help_of([choice])
    assert "model:\n" in told
    config = told.split("== Config")[1].split("\nExamples:")[0].splitlines()[1:]
    assert all(len(line) <= WIDTH for line in config)
    below = [*config[1:], ""]
    silent = [
        line
        for line, after in zip(config, below, strict=True)
        if re.match(r" *\w+: \S", line) and "# " not in line and after.strip()[:1] != "#"
    ]
    assert silent == []


def test_comments_of_a_folder_of_ones_own_are_told(tmp_path):
    (tmp_path / "flow").mkdir()
    text = "# @package model\nn_layers: 3\nhidden_size: 8\nn_hidden_layers: 2\n"
    (tmp_path / "flow" / "mine.yaml").write_text(text)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.yaml").write_text("size: 3  # of mine\nnested:\n  x: 1  # inside\n")
    told = help_of(["flow=mine", "+mine=one"], [str(tmp_path)])
    assert "flow: deep, default, mine, shallow" in told
    assert "mine:\n  size: 3                           # of mine\n" in told
    assert "  nested:\n    x: 1                            # inside\n" in told


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of this many characters."""
    return lambda width: monkeypatch.setenv("COLUMNS", str(width))


def test_help_has_groups_config_and_examples_in_this_order():
    told = help_of(["flow=deep", "model.lr=0.5"])
    places = [told.index(text) for text in ("Train, annotate", "flow: deep, ", "  lr: 0.5 ")]
    assert places == sorted(places)
    assert told.splitlines().count("flow: deep, default, shallow") == 1
    assert "hydra/launcher" not in told.split("== Config")[0].split("== Groups")[1]
    assert "\nhydra:" not in told
    assert "$" not in told.replace("${", "")


def test_comments_belong_to_the_key_in_their_line_or_the_section_above(tmp_path):
    (tmp_path / "mine").mkdir()
    text = (
        "# a file of mine\n"
        "defaults:\n  - other  # no key\n  - x: y  # nor this\n"
        "a: 1  # the first\n"
        "section:  # a section\n  b: x # y  # the text: begins at the first\n"
        "  deep:\n    c: '#1'  # after a value with one\n"
        "d: 2\ne:    # nothing yet\nf: 1#no comment\n"
    )
    (tmp_path / "mine" / "one.yaml").write_text(text)
    told = {k: v for k, v in meanings([str(tmp_path)]).items() if k.startswith("mine.")}
    assert told == {
        "mine.a": "the first",
        "mine.section": "a section",
        "mine.section.b": "y  # the text: begins at the first",
        "mine.section.deep.c": "after a value with one",
        "mine.e": "nothing yet",
    }


def test_the_package_of_a_file_says_where_its_keys_stand(tmp_path):
    for group in ("flow", "mine"):
        (tmp_path / group).mkdir()
    (tmp_path / "flow" / "a.yaml").write_text("# @package model\nown_key: 1  # of the model\n")
    text = "# @package _global_\nat_the_top: 1  # of all\nx:\n  y: 1  # inside\n"
    (tmp_path / "mine" / "b.yaml").write_text(text)
    told = meanings([str(tmp_path)])
    assert told["model.own_key"] == "of the model"
    assert told["at_the_top"] == "of all"
    assert told["x.y"] == "inside"


def test_the_first_file_that_says_it_is_believed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.yaml").write_text("# @package _global_\nx: 1  # first\n")
    (tmp_path / "mine" / "b.yaml").write_text(
        "# @package _global_\nx: 1  # second\nseed: 1  # no\n"
    )
    told = meanings([str(tmp_path)])
    assert told["x"] == "first"
    assert told["seed"] == meanings()["seed"] != "no"


def test_what_a_choice_of_many_keys_says_of_one_is_not_told(tmp_path):
    for group in ("experiment", "search", "hydra"):
        (tmp_path / group).mkdir()
        (tmp_path / group / "a.yaml").write_text(f"# @package _global_\n{group}_x: 1  # of one\n")
    (tmp_path / "train.yaml").write_text("of_the_top: 1  # told\n")
    told = meanings([str(tmp_path)])
    assert told["of_the_top"] == "told"
    assert not any(key.endswith("_x") for key in told)


def test_a_config_is_shown_with_its_meanings_beside_it(narrow):
    narrow(80)
    config = {
        "_target_": "not.shown",
        "a": 1,
        "section": {"b": None, "c": {"d": [1, "x"]}, "empty": {}},
        "text": "no: yes",
        "a_key_with_a_long_name": "and a value as long as that",
    }
    texts = {"a": "one", "section.c.d": "a list", "section.c": "inner"}
    texts["a_key_with_a_long_name"] = "told below"
    as_wide = "a" * (COLUMN - len(": 1"))  # no room before the text
    config[as_wide], texts[as_wide] = 1, "below too"
    assert explained(config, texts).splitlines() == [
        f"{'a: 1':<{COLUMN}}# one",
        "section:",
        "  b: null",
        f"{'  c:':<{COLUMN}}# inner",
        f"{'    d: [1, x]':<{COLUMN}}# a list",
        "  empty: {}",
        "text: 'no: yes'",
        "a_key_with_a_long_name: and a value as long as that",
        f"{'':<{COLUMN}}# told below",
        f"{as_wide}: 1",
        f"{'':<{COLUMN}}# below too",
    ]
    assert explained({}, texts) == ""


@pytest.mark.parametrize(("columns", "width"), [(80, 80), (300, WIDTH), (20, COLUMN + 30)])
def test_long_meanings_are_wrapped_to_the_terminal(narrow, columns, width):
    narrow(columns)
    words = " ".join(["word"] * 60)
    lines = explained({"a": 1}, {"a": words}).splitlines()
    assert len(lines) > 2
    assert all(width - len(" word") < len(line) <= width for line in lines[:-1])
    assert all(line[:COLUMN].strip() == "" for line in lines[1:])
    assert " ".join(line[COLUMN + 2 :] for line in lines) == words
    assert all(line[COLUMN : COLUMN + 2] == "# " for line in lines)
    *full, _ = explained({"a": 1}, {"a": "x" * 200}).splitlines()
    assert {len(line) for line in full} == {width}


def test_a_value_is_told_in_one_line_however_long():
    numbers = list(range(200))
    assert explained({"a": numbers}, {}) == f"a: {numbers}\n"
    assert explained({"a": [[1, [2]], {"b": []}]}, {}) == "a: [[1, [2]], {b: []}]\n"

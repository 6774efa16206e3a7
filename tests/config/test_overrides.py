"""Overrides of a command line: told from flags, read, and written again."""

from __future__ import annotations

import pytest

from scyan_exp.config.compose import compose_config
from scyan_exp.config.overrides import (
    DEEPEST,
    as_override,
    bare_key,
    choices_of,
    flags_first,
    flat,
    is_group_choice,
    is_plain_value,
    keys_and_values,
    nesting_problems,
    quoted,
    split_arguments,
    typed_value,
    variants,
    with_multirun,
    with_value,
)


@pytest.mark.parametrize(
    ("arguments", "overrides", "folders"),
    [
        ([], [], []),
        (["a=1", "b=2"], ["a=1", "b=2"], []),
        (["a=1", "--config-dir", "mine", "b=2"], ["a=1", "b=2"], ["mine"]),
        (["-cd", "a=b", "c=1"], ["c=1"], ["a=b"]),
        (["--config-dir=x=y", "-cd=z", "c=1"], ["c=1"], ["x=y", "z"]),
        (["c=1", "--config-dir"], ["c=1"], [""]),
        (["-m", "--info", "c=1"], ["c=1"], []),
        (["--info", "all", "-i", "defaults", "c=1"], ["c=1"], []),
        (["all", "--info", "every", "c=1"], ["all", "every", "c=1"], []),
        (["--cfg", "job", "c=1"], ["c=1"], []),
        (["--cfg=job", "c=1"], ["c=1"], []),
        (["--package=a=b", "c=1"], ["c=1"], []),
        (["-p", "model", "-cn", "x", "c=1", "-cp"], ["c=1"], []),
        (["~a", "+b=1", "++c=2", "d=-1"], ["~a", "+b=1", "++c=2", "d=-1"], []),
    ],
    ids=str,
)
def test_overrides_and_folders_are_told_from_flags(arguments, overrides, folders):
    assert split_arguments(arguments) == (overrides, folders)


@pytest.mark.parametrize(
    ("arguments", "ordered"),
    [
        (["a=1", "-m"], ["-m", "a=1"]),
        (["a=1", "--config-dir", "b=2", "c=3"], ["--config-dir", "b=2", "a=1", "c=3"]),
        (["a=1", "--cfg", "-cd", "c=3"], ["--cfg", "-cd", "a=1", "c=3"]),
        (["~a", "-m", "word"], ["-m", "word", "~a"]),
        (["a=1", "--info=b", "-x~"], ["--info=b", "-x~", "a=1"]),
    ],
    ids=str,
)
def test_flags_come_first_with_their_values(arguments, ordered):
    assert flags_first(arguments) == ordered


@pytest.mark.parametrize(
    ("arguments", "is_sweep"),
    [
        (["search=quick"], True),
        (["seed=1", "search=quick", "name=a"], True),
        (["-cd", "mine", "search=quick"], True),
        (["--config-dir=mine", "search=quick"], True),
        (["--config-dir=mine", "search=quick", "-cd", "other"], True),
        (["-m", "search=quick"], False),
        (["search=quick", "--cfg=job"], False),
        (["search=quick", "-cd", "mine", "--cfg", "job"], False),
        (["search=null"], False),
        (["search="], False),
        (["seed=1"], False),
        (["research=quick"], False),
        (["--config-dir", "search=quick"], False),
        ([], False),
    ],
    ids=str,
)
def test_choosing_a_search_asks_for_a_sweep(arguments, is_sweep):
    assert with_multirun(arguments) == (["-m", *arguments] if is_sweep else arguments)


@pytest.mark.parametrize(
    ("override", "choices"),
    [
        ("seed=3", ["seed=3"]),
        ("seed=1,2", ["seed=1", "seed=2"]),
        ("~flow", ["~flow"]),
        ("+trainer.min_epochs=1,2", ["+trainer.min_epochs=1", "+trainer.min_epochs=2"]),
        ("name='a,b'", ["name='a,b'"]),
        ("tags=[a,b],[c]", ["tags=[a,b]", "tags=[c]"]),
        ("a=interval(0.5,2)", ["a=0.5", "a=2.0"]),
        ("+a=int(interval(1,4))", ["+a=1", "+a=4"]),
        ("a=range(1,4)", ["a=1", "a=3"]),
        ("a=range(1,2)", ["a=1"]),
        ("a=range(3,3)", []),
        ("a=interval(2,2)", ["a=2.0"]),
        ("flow=glob(*)", ["flow=deep", "flow=default", "flow=shallow"]),
        ("flow=glob(d*)", ["flow=deep", "flow=default"]),
        ("flow=glob(x*)", []),
        ("nothing=glob(*)", []),
    ],
)
def test_an_override_stands_for_each_value_of_its_sweep(override, choices):
    assert list(choices_of(override, [])) == choices


def test_a_glob_finds_options_of_the_users_own(tmp_path):
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "dense.yaml").write_text("# @package model\nn_layers: 3\n")
    assert list(choices_of("flow=glob(de*)", [str(tmp_path)])) == [
        *("flow=deep", "flow=default", "flow=dense")
    ]


def test_every_value_occurs_in_a_variant_beside_the_first_of_the_others():
    assert list(variants([["a"], ["b", "c", "d"], ["e", "f"]])) == [
        ["a", "b", "e"],
        ["a", "c", "e"],
        ["a", "d", "e"],
        ["a", "b", "f"],
    ]
    assert list(variants([])) == [[]]


@pytest.mark.parametrize(
    ("override", "is_value", "is_choice", "key"),
    [
        ("seed=1", True, False, "seed"),
        ("model.lr=a=b", True, False, "model.lr"),
        ("flow=deep", False, True, "flow"),
        ("+flow=deep", False, True, "flow"),
        ("~flow", False, True, "flow"),
        ("++model.lr=1", False, False, "model.lr"),
        ("+model.lr=flow/deep", False, False, "model.lr"),
        ("~model.lr", False, False, "model.lr"),
        ("~model.lr=1", False, False, "model.lr"),
        ("hydra.run.dir=a", False, False, "hydra.run.dir"),
        ("hydra/launcher=fleet", False, True, "hydra/launcher"),
        ("flow@model=deep", False, False, "flow@model"),
        ("name=a@b", True, False, "name"),
        ("name=a@b=c", True, False, "name"),
        ("name=a/b", True, False, "name"),
        ("seed", False, False, "seed"),
        (" seed =1", True, False, "seed"),
        ("Xs=1", True, False, "Xs"),
        ("Xflow=deep", True, False, "Xflow"),
    ],
)
def test_values_are_told_from_choices_of_a_group(override, is_value, is_choice, key):
    assert is_plain_value(override) is is_value
    assert is_group_choice(override) is is_choice
    assert bare_key(override) == key


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ([], None),
        (["b=1"], None),
        (["b=1", "a=2", "c=3"], "2"),
        (["a=1", "a=2", "a=3"], "3"),
        (["+a=x"], "x"),
        (["a='x y'"], "x y"),
        (["a="], ""),
        (["a=null"], "None"),
        (["a=[1,b]"], "[1, 'b']"),
    ],
    ids=str,
)
def test_the_value_that_is_typed_last_counts(overrides, text):
    assert typed_value("a", overrides) == text


@pytest.mark.parametrize("pair", ["[]", "{}", "()"])
def test_what_is_nested_too_deeply_for_hydra_is_refused(pair):
    begins, ends = pair
    deepest = "a=" + begins * DEEPEST + ends * DEEPEST
    side_by_side = f"b={'X' * 60}" + ",".join([pair] * 2 * DEEPEST)
    deeper = f"X={begins * (DEEPEST + 1)}{'x' * 60}"
    told = f"{deeper[:40]}...: containers are nested too deeply (at most 32)"
    assert nesting_problems([deepest, deeper, side_by_side, deeper]) == [told, told]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.1, "0.1"),
        ("it's", r"'it\'s'"),
        ("a\\b", r"'a\b'"),
        ("a\\'b", r"'a\\\'b'"),
        ([1, "x,y", None], "[1,'x,y',null]"),
        ({"a": 1, "b": {"c": [True]}}, "{a:1,b:{c:[true]}}"),
        ({}, "{}"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_values_are_written_in_hydras_grammar(value, text):
    assert quoted(value) == text
    assert compose_config([f"name={text}"]).name == value
    assert as_override("a.b", value) == f"a.b={value if isinstance(value, str) else text}"


def test_a_config_is_gone_through_key_by_key():
    plain = {"a": {"b": {"c": 1}, "d": {}}, "e": [{"f": 2}], "g": None}
    assert list(keys_and_values(plain)) == [
        ("a", plain["a"]),
        ("a.b", {"c": 1}),
        ("a.b.c", 1),
        ("a.d", {}),
        ("e", [{"f": 2}]),
        ("g", None),
    ]
    assert flat(plain) == {"a.b.c": 1, "a.d": {}, "e": [{"f": 2}], "g": None}


def test_a_value_is_put_into_a_copy_of_the_config():
    plain = {"a": {"b": {"c": 1}, "d": 2}, "e": 3}
    assert with_value(plain, "a.b.c=[x,1]") == {"a": {"b": {"c": ["x", 1]}, "d": 2}, "e": 3}
    assert with_value(plain, "e=null") == {"a": {"b": {"c": 1}, "d": 2}, "e": None}
    assert plain == {"a": {"b": {"c": 1}, "d": 2}, "e": 3}

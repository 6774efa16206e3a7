"""Which overrides set plain values, and configs with such values in them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.config.plain_values import (
    OverrideReader,
    Setting,
    Special,
    interpolations_in,
    is_finite_number,
    is_json,
    is_of_hydra,
    is_plain,
    overlap,
    with_values,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text().filter(lambda text: "${" not in text and text != "???")
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def read() -> OverrideReader:
    """Reads overrides of a program with two groups."""
    return OverrideReader(lambda key: key in ("db", "flow"))


@given(PLAIN)
def test_numbers_texts_booleans_null_and_lists_of_these_are_plain(value):
    assert is_plain(value)
    assert not is_plain({"a": value})
    assert not is_plain([value, {"a": value}])


@pytest.mark.parametrize(
    "value", ["${seed}", "a${seed}", "???", math.inf, math.nan, [1, "???"], [["${x}"]], {}, (1,)]
)
def test_what_stands_for_something_else_is_not_plain(value):
    assert not is_plain(value)


class Number(float):
    """A number that is more than one."""


def test_numbers_that_json_has_are_finite():
    assert is_finite_number(1.5)
    assert is_finite_number(-0.0)
    for value in (math.inf, -math.inf, math.nan, 1, True, "1.5", None, Number(1)):
        assert not is_finite_number(value)


@given(st.dictionaries(st.text(), PLAIN))
def test_what_json_gives_back_as_it_is(value):
    assert is_json(value)
    assert json.loads(json.dumps(value)) == value


def test_text_that_means_something_to_omegaconf_is_text_to_json():
    assert is_json(["${seed}", {"a": "???"}])


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": {None: 1}}, {"a": math.nan}, [math.inf], [(1, 2)], {"a": {3}}, (1,)]
)
def test_what_json_would_change_or_refuse(value):
    assert not is_json(value)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("seed=3", ("seed",), 3),
        ("model.warm_up=[0.3,4]", ("model", "warm_up"), [0.3, 4]),
        ("a.b_1=x", ("a", "b_1"), "x"),
        ("a=null", ("a",), None),
        ("a=true", ("a",), True),
        ("a='1'", ("a",), "1"),
        ("a=-2", ("a",), -2),
        ("a.b=3", ("a", "b"), 3),
        ("a=+2", ("a",), 2),
        ("a=007", ("a",), "007"),
        ("a=1000000000000000000000", ("a",), 10**21),
    ],
)
def test_a_plain_value_is_read_with_its_key(read, text, path, value):
    setting = read(text)
    assert setting == Setting(path, value)
    assert type(setting.value) is type(value)
    assert read(text) is setting  # each text once


@pytest.mark.parametrize(
    ("text", "path", "sets_container"),
    [
        ("flow=deep", None, False),
        ("flow=3", None, False),
        ("flow={a:1}", ("flow",), True),
        ("+a=1", ("a",), False),
        ("++a.b=[1]", ("a", "b"), True),
        ("~a", ("a",), False),
        ("a={b:1}", ("a",), True),
        ("a=${seed}", ("a",), False),
        ("a=???", ("a",), False),
        ("a=[1,'${x}']", ("a",), True),
        ("a=inf", ("a",), False),
        ("a=1,2", ("a",), False),
        ("hydra.job.num=3", ("hydra", "job", "num"), False),
        ("hydra.sweep.subdir=x", ("hydra", "sweep", "subdir"), False),
        ("db@other=small", None, False),
        ("a-b=1", ("a-b",), False),
        ("a.0=1", ("a", "0"), False),
        ("a=[", None, False),
    ],
)
def test_what_only_hydra_knows_is_special(text, path, sets_container):
    reader = OverrideReader(lambda key: key in ("db", "flow", "db@other"))
    assert reader(text) == Special(path, sets_container)


def test_a_group_is_asked_for_once():
    asked = []
    reader = OverrideReader(lambda key: asked.append(key) or key == "flow")
    for text in ("seed=1", "seed=2", "seed=x", "flow=a", "flow=b"):
        reader(text)
    assert asked == ["seed", "flow"]


def test_values_of_one_kind_change_a_config_in_the_same_way(read):
    assert read("a=1").kind == read("a=x").kind == read("a=null").kind == (("a",), False)
    assert read("a=[1]").kind == read("a=[]").kind == (("a",), True)
    assert read("a=1").kind != read("b=1").kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hydra.job.name=x", True),
        ("hydra/launcher=fleet", True),
        ("+hydra/sweeper=study", True),
        ("~hydra.x", True),
        ("++hydra.x=1", True),
        ("hydration=1", False),
        ("Xhydra.x=1", False),
        ("seed=hydra.x", False),
        ("model.hydra.x=1", False),
    ],
)
def test_overrides_of_hydras_own_part(text, expected):
    assert is_of_hydra(text) is expected


KEY = st.lists(st.sampled_from("abc"), max_size=4)


@given(KEY, KEY)
def test_keys_overlap_where_one_is_the_others_section(one, other):
    expected = one == other[: len(one)] or other == one[: len(other)]
    assert overlap(one, other) is overlap(other, one) is expected
    assert overlap(tuple(one), other) is expected


def test_only_the_sections_on_the_way_to_a_value_are_copied():
    plain = {"a": {"b": {"x": 1, "y": [1, {"z": 2}]}, "c": {"x": 1}}, "d": {"x": 1}, "e": 1}
    before = json.dumps(plain)
    values = {("a", "b", "x"): 5, ("a", "b", "y", 1, "z"): 6, ("e",): 7, ("a", "b", "y", 0): 8}
    changed = with_values(plain, values)
    expected = {"a": {"b": {"x": 5, "y": [8, {"z": 6}]}, "c": {"x": 1}}, "d": {"x": 1}, "e": 7}
    assert changed == expected
    assert json.dumps(plain) == before
    assert changed["d"] is plain["d"]
    assert changed["a"]["c"] is plain["a"]["c"]
    assert with_values(plain, {}) == plain
    assert with_values(plain, {}) is not plain


def test_interpolations_are_found_by_their_places():
    plain = {"a": "${b}", "b": {"c": [1, "x${y}z", {"d": "${e}"}], "f": "$x"}, "g": 1, "h": None}
    places = [("a",), ("b", "c", 1), ("b", "c", 2, "d")]
    assert list(interpolations_in(plain)) == places
    assert list(interpolations_in({"a": "b", "c": [1]})) == []

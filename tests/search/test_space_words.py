"""What a search space is called, how its values are written, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from scyan_exp.errors import InputError
from scyan_exp.search.space import parse_space
from tests.search.test_space import dimension


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interval(0.15,1)", "float from 0.15 to 1.0"),
        ("tag(log,interval(1,2))", "float from 1.0 to 2.0 on a logarithmic scale"),
        ("int(interval(2,5))", "int from 2 to 5 in steps of 1"),
        ("range(0,1,0.25)", "float from 0.0 to 0.75 in steps of 0.25"),
        ("tag(log,range(1,10))", "int from 1 to 9 in steps of 1 on a logarithmic scale"),
        ("shallow,deep", "one of shallow, deep"),
    ],
)
def test_a_dimension_in_words(text, words):
    """They are kept with a search, and tell one from another: they must not change."""
    assert str(dimension(text)) == words


@pytest.mark.parametrize("text", ["interval(0,1)", "range(0,1,0.25)", "range(1,4)", "1,2"])
def test_every_kind_of_dimension_knows_its_key(text):
    assert dimension(text, "my.key").key == "my.key"


def test_ends_of_whole_numbers_are_whole():
    """Also where they were given as floats that happen to be whole."""
    space = parse_space({"k": "int(interval(2.0,5.0))"}, [])
    assert space.dimensions[0].extremes() == ["k=2", "k=5"]


def test_a_value_may_hold_an_equals_sign():
    space = parse_space({"a": "1,2", "k": "1,2"}, ["a='b=c'"])
    assert [d.key for d in space.dimensions] == ["k"]
    assert space.fixed == ("a='b=c'",)


def test_keys_that_differ_in_a_letter_are_two():
    assert len(parse_space({"Xa": "1,2"}, ["a=3,4"]).dimensions) == 2


def problems(params: dict[str, object], overrides: list[str]) -> list[str]:
    with pytest.raises(InputError) as refused:
        parse_space(params, overrides)
    assert refused.value.where == "search space"
    return refused.value.problems


@pytest.mark.parametrize(
    "text", ["objective=loss,heuristic", "+objective='a=b',c", "hydra.verbose=true,false"]
)
def test_what_is_the_same_for_all_trials_cannot_be_searched(text):
    assert problems({}, [text]) == [f"{text}: cannot be searched: it is the same for all trials"]


READABLE = "cannot be read. Spaces look like interval(0.1,0.5), range(2,5), choice(16,32)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k=range(1,2,", READABLE),
        ("k=1,2)", READABLE),
        ("k=[1,2", READABLE),
        ("k=interval(0.1;0.5)", READABLE),
        ("k=interval(nan,1)", "bad range: expected finite numbers, found nan, 1"),
        ("k=range(0,nan,0.5)", "bad range: expected finite numbers, found 0, nan, 0.5"),
        (
            "k=tag(log,range(1,10,2))",
            "a logarithmic range has no step; use tag(log, interval(...))",
        ),
    ],
)
def test_messages_are_whole_sentences(text, message):
    assert problems({}, [text]) == [f"{text}: {message}"]


def test_an_empty_space_shows_what_to_write():
    assert problems({}, []) == [
        "nothing to search: give hydra.sweeper.params, or values such as "
        "'model.prior_std=interval(0.15,0.35)' on the command line, or search=quick"
    ]

"""The search space: Hydra's own grammar, and what a search makes of it."""

from __future__ import annotations

import tracemalloc
import warnings

import pytest
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.config.compose import configs_folder
from scyan_exp.errors import InputError
from scyan_exp.search.dimension import Dimension
from scyan_exp.search.space import parse_space


def dimension(text: str, key: str = "k") -> Dimension:
    """The only dimension of a space of one key."""
    (found,) = parse_space({key: text}, []).dimensions
    return found


def hydras_values(text: str) -> list:
    """What Hydra's own sweep of this value runs, as its configs will hold it."""
    override = OverridesParser.create().parse_override(f"k={text}")
    return [
        OverridesParser.create().parse_override(f"k={one}").value()
        for one in override.sweep_string_iterator()
    ]


def values_of(found: Dimension) -> list:
    """Every value that Optuna may ask for."""
    distribution = found.distribution()
    if found.kind == "choice":
        return list(distribution.choices)
    assert distribution.step is not None
    n_steps = round((distribution.high - distribution.low) / distribution.step)
    return [distribution.low + i * distribution.step for i in range(n_steps + 1)]


def composed(override: str) -> object:
    """The value that Hydra reads from an override."""
    return OverridesParser.create().parse_override(override).value()


# ---------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("text", "kind", "low", "high", "step", "log"),
    [
        ("interval(0.15,0.35)", "float", 0.15, 0.35, None, False),
        ("interval(0.15, 0.35)", "float", 0.15, 0.35, None, False),
        ("interval(-2,3)", "float", -2, 3, None, False),
        ("tag(log,interval(1e-4,1e-3))", "float", 1e-4, 1e-3, None, True),
        ("tag(log, interval(0.5, 10))", "float", 0.5, 10, None, True),
        ("int(interval(2048,16384))", "int", 2048, 16384, 1, False),
        ("tag(log,int(interval(1,1000)))", "int", 1, 1000, 1, True),
        ("range(2,5)", "int", 2, 4, 1, False),
        ("range(4)", "int", 0, 3, 1, False),
        ("range(0,10,3)", "int", 0, 9, 3, False),
        ("range(5,2,-1)", "int", 3, 5, 1, False),
        ("range(10,0,-3)", "int", 1, 10, 3, False),
        ("range(0,1,0.25)", "float", 0, 0.75, 0.25, False),
        ("range(1,0,-0.25)", "float", 0.25, 1, 0.25, False),
        ("range(-52.28,163385.61,88.97)", "float", -52.28, 163296.64, 88.97, False),
        ("range(1e-13,1e-12,1e-13)", "float", 1e-13, 9e-13, 1e-13, False),
        ("tag(log,range(1,10))", "int", 1, 9, 1, True),
    ],
)
def test_numbers_are_searched_within_their_ends(text, kind, low, high, step, log):
    found = dimension(text)
    assert (found.kind, found.low, found.high, found.step, found.log) == (
        kind,
        low,
        high,
        step,
        log,
    )
    distribution = found.distribution()
    assert (distribution.low, distribution.high, distribution.log) == (low, high, log)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("choice(16,32)", (16, 32)),
        ("1,2,3", (1, 2, 3)),
        ("shuffle(1,2,3)", (1, 2, 3)),
        ("sort(3,1,2)", (1, 2, 3)),
        ("shallow,default,deep", ("shallow", "default", "deep")),
        ("choice(true,false)", (True, False)),
        ("null,0.5", (None, 0.5)),
        ("'a b','c,d'", ("a b", "c,d")),
        ("[0.35,4],[0.3,2]", ("[0.35,4]", "[0.3,2]")),
        ("{a:1},{a:2}", ("{a:1}", "{a:2}")),
        ("choice(one)", ("one",)),
    ],
)
def test_choices_are_what_was_written(text, choices):
    found = dimension(text)
    assert found.kind == "choice"
    assert found.choices == choices
    assert found.distribution().choices == choices


@pytest.mark.parametrize(
    "text",
    [
        "choice(16,32)",
        "'a b','c,d'",
        "[1,2],[3,4]",
        "{a:1},{a:2}",
        "null,1",
        "1e3,1e-3",
        "'it\\'s',b",
        "true,false",
        "/tmp/a-b_c.d,s3://x/y",
    ],
)
def test_each_choice_gives_the_value_that_hydras_own_sweep_gives(text):
    found = dimension(text)
    overrides = [found.override(choice) for choice in found.choices]
    ours = [composed(override) for override in overrides]
    theirs = hydras_values(text)
    assert [(type(a), a) for a in ours] == [(type(b), b) for b in theirs]
    assert found.extremes() == overrides


def test_a_range_of_many_integers_is_not_listed():
    """Seeds may be any of billions."""
    tracemalloc.start()
    try:
        assert dimension("range(0,1000000)").high == 999_999
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


INTEGER_RANGES = st.tuples(
    st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7).filter(bool)
)


@given(INTEGER_RANGES)
def test_a_range_of_integers_has_the_values_of_hydras_sweep(ends):
    start, stop, step = ends
    text = f"range({start},{stop},{step})"
    theirs = hydras_values(text)
    if len(theirs) < 2:
        with pytest.raises(InputError, match="bad range"):
            parse_space({"k": text}, [])
        return
    found = dimension(text)
    assert found.kind == "int"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert values_of(found) == sorted(theirs)


FLOAT_RANGES = st.tuples(
    st.integers(-300, 300).map(lambda n: n / 100),
    st.integers(-300, 300).map(lambda n: n / 100),
    st.integers(-70, 70).filter(bool).map(lambda n: n / 100),
)


@settings(deadline=None)  # a law, on a machine that may be busy
@given(FLOAT_RANGES)
def test_a_range_of_floats_has_the_values_of_hydras_sweep(ends):
    start, stop, step = ends
    text = f"range({start},{stop},{step})"
    theirs = hydras_values(text)
    if len(theirs) < 2:
        with pytest.raises(InputError, match="bad range"):
            parse_space({"k": text}, [])
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna's, of a range that its step does not divide
        assert values_of(dimension(text)) == pytest.approx(sorted(theirs), abs=1e-9)


@pytest.fixture
def loader():
    """Hydra's, with our groups."""
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_dir(str(configs_folder()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def test_a_glob_stands_for_the_options_of_its_group(loader):
    space = parse_space({"flow": "glob(*)"}, ["prior=glob(*,exclude=l*)"], loader)
    choices = {d.key: set(d.choices) for d in space.dimensions}
    assert choices == {"flow": {"shallow", "default", "deep"}, "prior": {"tight", "default"}}
    assert {d.override("default") for d in space.dimensions} == {"flow=default", "prior=default"}


def test_a_glob_without_such_options_is_refused_by_name(loader):
    with pytest.raises(InputError) as refused:
        parse_space({"flow": "glob(q*)"}, [], loader)
    assert refused.value.problems == ["flow=glob(q*): there are no values to choose from"]


def test_added_keys_are_called_by_their_names_and_set_with_a_plus():
    space = parse_space({"+trainer.min_epochs": "range(1,4)"}, [])
    assert list(space.distributions()) == ["trainer.min_epochs"]
    assert space.overrides({"trainer.min_epochs": 2}) == ["+trainer.min_epochs=2"]


# ---------------------------------------------------------------- the command line and params


def test_the_command_line_wins_over_params():
    params = {"a": "1,2", "b": "interval(0,1)", "+c": "range(1,4)", "d": 5}
    space = parse_space(params, ["a=3", "b=choice(7,8)", "++c=9", "d=6", "e=x,y"])
    assert {d.key: d.choices for d in space.dimensions} == {"b": (7, 8), "e": ("x", "y")}
    assert sorted(space.fixed) == ["++c=9", "a=3", "d=6"]


def test_plain_values_are_set_for_every_trial():
    params = {"a": 1.5, "b": None, "c": [1, 2], "d": True, "e": "text with spaces", "k": "1,2"}
    space = parse_space(params, ["~f", "g='1,2'"])
    assert [d.key for d in space.dimensions] == ["k"]
    fixed = {one.partition("=")[0]: composed(one) for one in space.fixed if "=" in one}
    assert fixed["a"] == 1.5
    assert fixed["b"] is None
    assert fixed["c"] == [1, 2]
    assert fixed["d"] is True
    assert fixed["e"] == "text with spaces"
    assert str(fixed["g"]) == "1,2"
    assert "~f" in space.fixed
    assert set(space.fixed) <= set(space.overrides({"k": 1}))


def test_one_group_in_two_packages_stays_two_overrides():
    given_ones = ["+db@first=small", "+db@second=large"]
    assert list(parse_space({"k": "1,2"}, given_ones).fixed) == given_ones


def test_the_last_of_two_values_of_the_command_line_counts():
    space = parse_space({}, ["a=1,2", "a=interval(0,1)", "b=3", "b=4"])
    assert [(d.key, d.kind) for d in space.dimensions] == [("a", "float")]
    assert space.overrides({"a": 0.5})[-2:] in (["b=4", "a=0.5"], ["a=0.5", "b=4"])


def test_a_number_as_a_key_of_yaml_is_refused_by_name():
    with pytest.raises(InputError, match="1=1,2: "):
        parse_space({1: "1,2"}, [])  # type: ignore[dict-item]


@pytest.mark.parametrize("text", ["1,true", "0,false,0.5", "1,1.0"])
def test_choices_that_optuna_takes_for_one_are_refused(text):
    with pytest.raises(InputError, match="are written alike"):
        parse_space({"k": text}, [])


# ---------------------------------------------------------------- what is refused

BAD = {
    "interval(5,1)": "lower end below the upper one",
    "interval(1,1)": "lower end below the upper one",
    "int(interval(0.2,0.8))": "lower end below the upper one",
    "range(5,2)": "there is no value from 5 to 2",
    "range(1,5,-1)": "there is no value from 1 to 5",
    "range(0,1,0)": "zero",
    "range(0.0,1.0,0.0)": "Invalid range",
    "tag(log,interval(0,1))": "must be above 0",
    "tag(log,interval(-1,1))": "must be above 0",
    "tag(log,range(1,10,2))": "a logarithmic range has no step",
    "tag(log,range(1.0,10.0))": "a logarithmic range has no step",
    "tag(lgo,interval(1,2))": "unknown tag 'lgo'",
    "interval(a,b)": "interval(a,b)",
    "interval(1)": "interval(1)",
    "choice()": "choice",
    "interval(nan,1)": "bad range",
    "interval(0,inf)": "bad range",
    "interval(-inf,inf)": "bad range",
    "interval(-1e400,1)": "bad range",
    "tag(log,interval(1,inf))": "bad range",
    "range(nan,1)": "bad range",
    "range(0,1,nan)": "bad range",
    "range(0,nan)": "bad range",
    "range(0,inf)": "bad range",  # the last, as there would be no end to it
    "range(1,2,": "cannot be read",
    "xx)": "cannot be read",
    "interval(1,2),3": "interval(1,2),3",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_range_is_refused_by_its_name(text):
    with pytest.raises(InputError) as caught:
        parse_space({"my.key": text}, [])
    (problem,) = caught.value.problems
    assert problem.startswith(f"my.key={text}: ")
    assert BAD[text] in problem


def test_all_bad_ranges_are_refused_at_once():
    params = {f"key{i}": text for i, text in enumerate(BAD)}
    with pytest.raises(InputError) as caught:
        parse_space({**params, "fine": "1,2"}, ["typed=interval(2,1)"])
    assert len(caught.value.problems) == len(BAD) + 1
    for i, problem in enumerate(caught.value.problems[:-1]):
        assert problem.startswith(f"key{i}=")
    assert caught.value.problems[-1].startswith("typed=interval(2,1): ")


def test_nothing_to_search_is_refused():
    for params, typed in (({}, []), ({"a": 1}, ["b=2"])):
        with pytest.raises(InputError, match="nothing to search"):
            parse_space(params, typed)

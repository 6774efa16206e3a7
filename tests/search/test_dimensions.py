"""Values of a search space on their way to Optuna and into the config."""

from __future__ import annotations

import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scyan_exp.search.space import Space, parse_space
from tests.search.test_space import composed, dimension, hydras_values

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS)
def test_floats_reach_the_config_to_the_last_bit(one, other):
    low, high = sorted((one, other))
    assume(low < high and math.isfinite(high - low))
    found = dimension(f"interval({low!r},{high!r})")
    assert (found.low, found.high) == (low, high)
    for value in (low, high, low + (high - low) / 3):
        assert composed(found.override(value)) == value
    assert [composed(text) for text in found.extremes()] == [low, high]


@given(st.integers(-(2**53), 2**53), st.integers(1, 2**20))
def test_integers_reach_the_config_as_integers(low, width):
    found = dimension(f"range({low},{low + width + 1})")
    for value in (low, low + width):
        read = composed(found.override(value))
        assert (type(read), read) == (int, value)
    assert [composed(text) for text in found.extremes()] == [low, low + width]


@given(st.lists(st.text(st.characters(codec="ascii"), min_size=1), min_size=2, unique=True))
def test_quoted_texts_reach_the_config_as_they_were(texts):
    assume(not any("\n" in text or "\\" in text or "${" in text for text in texts))
    quoted = ["'" + text.replace("'", "\\'") + "'" for text in texts]
    found = dimension(",".join(quoted))
    theirs = hydras_values(",".join(quoted))
    overrides = [found.override(choice) for choice in found.choices]
    assert [str(composed(one)) for one in overrides] == [str(value) for value in theirs]


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["tpe", "random", "qmc", "nsga2", "gp"]), st.integers(0, 2**31))
def test_what_samplers_draw_can_be_written_and_lies_within(name, seed):
    import optuna

    from scyan_exp.search.settings import check_study

    texts = ["a=interval(-1e-7,3)", "b=tag(log,interval(1e-9,1e9))", "c=range(2,9,3)", "d=x,y"]
    space = parse_space({}, texts)
    sampler = check_study({"sampler": name, "seed": seed}).make_sampler()
    study = optuna.create_study(sampler=sampler)
    for _ in range(2):
        trial = study.ask(space.distributions())
        read = {one.partition("=")[0]: composed(one) for one in space.overrides(trial.params)}
        assert -1e-7 <= read["a"] <= 3
        assert 1e-9 <= read["b"] <= 1e9
        assert read["c"] in (2, 5, 8)
        assert read["d"] in ("x", "y")
        assert read == trial.params
        study.tell(trial, 0.0)


# ---------------------------------------------------------------- what is checked before


def test_the_extremes_are_all_choices_and_both_ends():
    assert dimension("a,b,c").extremes() == ["k=a", "k=b", "k=c"]
    assert dimension("interval(0,1)").extremes() == ["k=0.0", "k=1.0"]
    assert dimension("int(interval(2,5))").extremes() == ["k=2", "k=5"]
    assert dimension("range(0,10,3)").extremes() == ["k=0", "k=9"]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_every_extreme_is_in_a_variant_and_their_number_is_a_sum(sizes):
    params = {f"k{i}": f"choice({','.join(map(str, range(n)))})" for i, n in enumerate(sizes)}
    space = parse_space({**params, "fixed": 1}, [])
    variants = space.variants()
    assert len(variants) == 1 + sum(n - 1 for n in sizes)
    seen = {one for variant in variants for one in variant}
    assert seen == {"fixed=1"} | {text for d in space.dimensions for text in d.extremes()}
    for variant in variants:
        keys = [one.partition("=")[0] for one in variant]
        assert sorted(keys) == sorted(["fixed", *params])


def test_spaces_differ_in_what_tells_them_apart():
    texts = ["interval(0,1)", "interval(0,2)", "tag(log,interval(1,2))", "range(1,4)", "1,2", "2,1"]
    assert len({str(dimension(text)) for text in texts}) == len(texts)
    assert str(dimension("interval(0,1)")) == str(dimension("interval(0.0, 1.0)"))


def test_a_space_without_fixed_values_sets_only_its_parameters():
    space = Space((dimension("1,2"),), ())
    assert space.overrides({"k": 2}) == ["k=2"]

"""What is said of an annotation, and from where on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scyan_exp.results.signs import Signs
from scyan_exp.results.verdict import LIMITS, Level, judge
from tests.data.test_cells_doubts import TABLE, edited
from tests.results.test_signs import LOST, RIGHT, signs

SAID = {
    "wrong": "10% of the entries are contradicted by the cells",
    "avoidable": "20% of the cells fit another row better, by sign",
    "kept": "of the cells that fit one row best, 70% were given it",
    "unmatched": "40% of the cells match no row",
    "unfit": "20% of the cells fit no population",
    "fall": "training lost 0.10 of the agreement with the table",
}
BETWEEN = {"wrong": 0.1, "avoidable": 0.2, "kept": 0.7, "unmatched": 0.4, "unfit": 0.2, "fall": 0.1}


@pytest.fixture(scope="module")
def right() -> Signs:
    return signs(RIGHT)


def test_an_annotation_that_nothing_speaks_against_is_good(right):
    verdict = judge(TABLE, right)
    assert verdict.level == Level.GOOD
    assert verdict.reasons == []
    assert verdict.populations == {}
    assert verdict.to_dict()["verdict"] == "good"
    assert set(verdict.signs) == set(LIMITS)


@pytest.mark.parametrize("name", SAID)
def test_a_sign_beyond_its_limit_says_look_and_far_beyond_do_not_use(right, name):
    limit = LIMITS[name]
    (reason,) = judge(TABLE, replace(right, **{name: BETWEEN[name]})).reasons
    assert reason == f"{SAID[name]}: {limit.advice}"
    levels = [
        judge(TABLE, replace(right, **{name: value})).level
        for value in (limit.look, BETWEEN[name], limit.refuse * (0.9 if name == "kept" else 1.1))
    ]
    assert levels == [Level.GOOD, Level.LOOK, Level.DO_NOT_USE]


def test_a_sign_that_cannot_be_told_says_nothing(right):
    unknown = replace(right, kept=np.nan, wrong=np.nan)
    verdict = judge(TABLE, unknown)
    assert verdict.level == Level.GOOD
    assert "trust/kept" not in verdict.summary()
    assert verdict.summary()["trust/verdict"] == "good"


def test_populations_are_named_with_what_is_seen_of_them():
    verdict = judge(TABLE, signs(LOST))
    assert verdict.level == Level.DO_NOT_USE
    assert verdict.populations["NK cells"] == ["no cells"]
    assert verdict.populations["monocytes"] == [
        "gained 25% of all cells, through blanks of its row",
        "CD14 is + in the table, half - in its cells",
    ] or any("gained 25%" in one for one in verdict.populations["monocytes"])
    assert any(
        "no cell was given to NK cells: are they in the sample, and their rows right?" in one
        for one in verdict.reasons
    )


def test_a_wrong_sign_is_named_by_row_and_marker():
    table = edited("T cells", "CD3", -1)
    verdict = judge(table, signs(RIGHT, table=table))
    assert verdict.level != Level.GOOD
    assert verdict.populations["T cells"] == [
        "CD3 is - in the table; T cells are CD3+ by definition",
        "hardly any cell matches its row",
        "CD3 is - in the table, + in its cells",
    ]
    assert any("hardly any cell matches the row of T cells:" in one for one in verdict.reasons)
    assert any("25% of the cells are in populations whose row" in one for one in verdict.reasons)


def test_an_entry_against_the_name_of_its_population_is_not_good(right):
    """Nothing else may see it: the row is that of other cells, and its own go to rows near by."""
    names = ["CD14+ NK cells" if one == "NK cells" else one for one in TABLE.populations]
    verdict = judge(replace(TABLE, populations=names), right)
    assert verdict.level == Level.LOOK
    assert verdict.reasons == [
        "the names and entries of CD14+ NK cells disagree: correct one or the other"
    ]
    assert verdict.populations == {"CD14+ NK cells": ["CD14 is - in the table; the name says 1"]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"is_finished": False}, "the last epoch was the best: train longer (trainer.max_epochs)"),
        ({"agreement": 0.8}, "the repeats agree on 80% of the cells: see figures/agreement.png"),
    ],
)
def test_what_the_training_says(right, options, said):
    verdict = judge(TABLE, right, **options)
    assert (verdict.level, verdict.reasons) == (Level.LOOK, [said])


def test_few_cells_are_not_enough_to_call_an_annotation_good(right):
    verdict = judge(TABLE, replace(right, n_all=999))
    assert verdict.level == Level.LOOK
    assert verdict.reasons == [
        "999 cells are too few to tell: compare several seeds (repeats=5)",
    ]

"""Which epoch annotates: a rule over all epochs, kept with few of them in memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.training.choosing import contenders, epochs_since_agreement

#: Few values, so that many are equal.
VALUES = st.integers(0, 6).map(lambda n: n / 4)
HISTORIES = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12)
TOLERANCES = st.sampled_from([0.0, 0.25, 0.5, 10.0])


def rows_of(history: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [
        {"epoch": i, "loss": loss, "table_agreement": agreement}
        for i, (loss, agreement) in enumerate(history)
    ]


@given(HISTORIES, st.integers(0, 4), TOLERANCES)
def test_the_chosen_epoch_has_the_lowest_loss_near_the_highest_agreement(history, warm_up, tol):
    rows = rows_of(history)
    highest = max(row["table_agreement"] for row in rows)
    near = [row for row in rows if row["table_agreement"] >= highest - tol]
    counted = [row for row in near if row["epoch"] >= warm_up] or near
    chosen = contenders(rows, warm_up, tol)[0]
    assert chosen in counted
    assert chosen["loss"] == min(row["loss"] for row in counted)


@given(HISTORIES, st.integers(0, 4), TOLERANCES)
def test_with_the_contenders_alone_the_choice_is_that_of_the_whole_history(history, warm_up, tol):
    """What a training keeps: after each epoch, those that may still be chosen."""
    rows, kept = rows_of(history), []
    for n, row in enumerate(rows):
        kept = contenders(sorted([*kept, row], key=lambda one: one["epoch"]), warm_up, tol)
        assert kept[0] == contenders(rows[: n + 1], warm_up, tol)[0]


@given(HISTORIES, st.integers(0, 4), TOLERANCES)
def test_each_contender_beats_those_before_it_by_agreement_alone(history, warm_up, tol):
    found = contenders(rows_of(history), warm_up, tol)
    ranks = [(row["epoch"] < warm_up, row["loss"]) for row in found]
    agreements = [row["table_agreement"] for row in found]
    assert ranks == sorted(ranks)
    assert agreements == sorted(set(agreements))


@given(HISTORIES, st.integers(0, 4))
def test_without_tolerance_the_lowest_loss_is_chosen_and_nothing_else_kept(history, warm_up):
    (chosen,) = contenders(rows_of(history), warm_up, None)
    counted = [loss for i, (loss, _) in enumerate(history) if i >= warm_up]
    assert chosen["loss"] == min(counted or [loss for loss, _ in history])


def test_epochs_of_which_no_agreement_is_known_are_chosen_by_their_loss():
    rows = [{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 1.0}]
    assert contenders(rows, 0, 0.01) == rows[1:]
    assert epochs_since_agreement(rows, 0, 0.01) == 0


@pytest.mark.parametrize(
    ("agreements", "expected"),
    [
        ([0.5, 0.9, 0.89, 0.5, 0.5], [2, 2, 2, 1]),
        ([0.9, 0.5, 0.95], [0, 0, 0, 0]),
        ([0.9, 0.5, 0.5, 0.5], [3, 2, 1, 0]),
        ([0.9], [0, 0, 0, 0]),
        ([], [0, 0, 0, 0]),
    ],
)
def test_how_long_ago_the_agreement_was_high(agreements, expected):
    """Counted from the end of the warm-up at the earliest; here it has 1 to 4 epochs."""
    rows = rows_of([(1.0, one) for one in agreements])
    assert [epochs_since_agreement(rows, n, 0.01) for n in (1, 2, 3, 4)] == expected
    assert epochs_since_agreement(rows, 0, None) == 0

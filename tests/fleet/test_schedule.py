"""The schedule of a sweep: what is started, tried again and stopped. Nothing is trained here."""

from __future__ import annotations

import signal

import pytest

from scyan_exp.fleet.jobs import Job
from tests.fleet.playing import play, statuses, table
from tests.fleet.rehearsal import Rehearsal


def test_jobs_start_in_order_in_all_slots_and_the_table_is_kept(tmp_path):
    engine = Rehearsal(n_slots=3)
    states = play(tmp_path, engine, 7)
    assert engine.started == list(range(7))
    assert engine.most_at_once == 3
    assert [(one.outcome, one.value) for one in states] == [
        ("completed", float(i)) for i in range(7)
    ]
    assert [row["objective"] for row in table(tmp_path)] == [f"{i}.0" for i in range(7)]


def test_the_table_is_up_to_date_while_jobs_run(tmp_path):
    seen = []
    look = Rehearsal(n_slots=1, at_start=lambda number: seen.append(table(tmp_path)))
    play(tmp_path, look, 3)
    assert [[row["status"] for row in one].count("completed") for one in seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "ends", "expected", "n_attempts"),
    [
        ({}, ["lost"], "completed", 2),
        ({}, ["lost", "lost"], "lost", 2),
        ({"retries": 0}, ["lost"], "lost", 1),
        ({"retries": 3}, ["lost"] * 3, "completed", 4),
        ({}, ["failed"], "failed", 1),
        ({}, ["timed out"], "timed out", 1),
        ({"error_retries": 1}, ["failed"], "completed", 2),
        ({"error_retries": 1}, ["timed out"], "completed", 2),
        ({"error_retries": 2}, ["failed"] * 3, "failed", 3),
    ],
)
def test_which_failures_are_tried_again(tmp_path, settings, ends, expected, n_attempts):
    engine = Rehearsal({1: ends})
    states = play(tmp_path, engine, **settings)
    assert states[1].status == expected
    assert states[1].attempts == engine.started.count(1) == n_attempts
    assert states[1].seconds == 2.0 * n_attempts
    assert (states[1].error is None) == (expected == "completed")
    assert statuses([states[0], *states[2:]]) == ["completed"] * 3


def test_a_failure_does_not_stop_the_others_unless_asked_to(tmp_path):
    ends = {1: ["failed"]}
    assert statuses(play(tmp_path, Rehearsal(ends))).count("completed") == 3
    states = play(tmp_path, Rehearsal(ends), 6, on_failure="stop")
    assert statuses(states) == ["completed", "failed", "completed", *["not run"] * 3]


def test_stop_on_failure_waits_for_the_last_attempt(tmp_path):
    states = play(tmp_path, Rehearsal({0: ["lost"]}, n_slots=1), on_failure="stop")
    assert statuses(states) == ["completed"] * 4


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_after_stop_on_failure_nothing_is_tried_again(tmp_path, first, second):
    """Both end at once: the attempt that was to follow the loss is not made."""
    ends = {first: ["lost"], second: ["failed"]}
    engine = Rehearsal(ends, together=2)
    states = play(tmp_path, engine, on_failure="stop")
    assert engine.started == [0, 1]
    assert states[second].status == "failed"
    assert states[first].status in ("lost", "not run")
    assert statuses(states[2:]) == ["not run"] * 2


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_starts_no_new_job_and_passes_it_on(tmp_path, number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    engine = Rehearsal(at_start=lambda job: signal.raise_signal(number) if job == 1 else None)
    states = play(tmp_path, engine, 5)
    assert statuses(states) == ["interrupted"] * 2 + ["not run"] * 3
    assert (engine.told, engine.killed) == ([0, 1], False)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_job_that_a_signal_found_starting_is_interrupted_too(tmp_path):
    """The engine may not know of it yet when the signal comes."""

    class Late(Rehearsal):
        def submit(self, job: Job) -> None:
            if job.number == 1:
                signal.raise_signal(signal.SIGINT)
            super().submit(job)

    engine = Late(n_slots=2)
    states = play(tmp_path, engine, 3)
    assert engine.told == [0, 1]
    assert statuses(states) == ["interrupted", "interrupted", "not run"]


def test_a_second_signal_kills(tmp_path):
    def twice(number: int) -> None:
        if number == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    engine = Rehearsal({0: ["lost"]}, at_start=twice)
    states = play(tmp_path, engine, 5)
    assert (engine.told, engine.killed) == ([0, 1], True)
    assert statuses(states) == ["interrupted"] * 2 + ["not run"] * 3
    assert engine.started == [0, 1]


def test_a_lost_job_is_not_tried_again_after_a_signal(tmp_path):
    at_start = {1: signal.SIGINT}
    engine = Rehearsal(
        {0: ["lost"]}, at_start=lambda n: n in at_start and signal.raise_signal(at_start[n])
    )
    states = play(tmp_path, engine)
    assert states[0].status == "lost"
    assert engine.started == [0, 1]


@pytest.mark.parametrize(("retries", "expected"), [(0, "lost"), (1, "completed")])
def test_a_signal_to_a_worker_alone_is_a_loss(tmp_path, retries, expected):
    engine = Rehearsal({1: ["interrupted"]})
    states = play(tmp_path, engine, retries=retries)
    assert statuses(states) == ["completed", expected, "completed", "completed"]

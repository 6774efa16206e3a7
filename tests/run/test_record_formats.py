"""Records of other versions of the program: read, or refused in words."""

from __future__ import annotations

import pytest

from scyan_exp.errors import InputError
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from tests.run.test_record import changed


def test_a_file_without_a_format_is_of_the_first(tmp_path):
    changed(RunRecord(tmp_path, "abc", 0), format="absent", status="completed", objective=1.5)
    found = RunRecord.read(tmp_path)
    assert (found.status, found.objective) == (Outcome.COMPLETED, 1.5)


@pytest.mark.parametrize(
    ("error", "outcome", "rest"),
    [
        ("WorkerLost: killed by SIGKILL", Outcome.LOST, "killed by SIGKILL"),
        ("TimedOut: after: 5 min", Outcome.TIMED_OUT, "after: 5 min"),
        ("ValueError: TimedOut: no", Outcome.FAILED, "ValueError: TimedOut: no"),
        (None, Outcome.FAILED, None),
    ],
)
def test_the_first_format_told_the_cause_in_the_error(tmp_path, error, outcome, rest):
    changed(RunRecord(tmp_path, "abc", 0), format="absent", status="failed", error=error)
    found = RunRecord.read(tmp_path)
    assert (found.status, found.error) == (outcome, rest)


def test_in_the_second_format_an_error_is_only_an_error(tmp_path):
    changed(
        RunRecord(tmp_path, "abc", 0), status="failed", error="WorkerLost: a word of the user's"
    )
    assert RunRecord.read(tmp_path).status is Outcome.FAILED


def test_a_later_format_is_refused(tmp_path):
    changed(RunRecord(tmp_path, "abc", 0), format=99)
    with pytest.raises(InputError, match=r"of format 99, this version reads up to 4: update") as e:
        RunRecord.read(tmp_path)
    assert e.value.where == str(tmp_path / "result.json")


def test_a_format_that_is_no_number_is_refused(tmp_path):
    changed(RunRecord(tmp_path, "abc", 0), format="new")
    with pytest.raises(InputError, match="format: expected a number, found 'new'"):
        RunRecord.read(tmp_path)


# ---------------------------------------------------------------- of a folder that must hold a run

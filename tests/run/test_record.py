"""``result.json``: always whole, readable by any JSON parser, also that of earlier versions."""

from __future__ import annotations

import json

import pytest

from scyan_exp.errors import InputError
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, recording


def written(folder) -> dict:
    """What any other program reads."""
    return json.loads((folder / "result.json").read_text())


def test_a_new_run_is_running(tmp_path):
    folder = tmp_path / "run"
    RunRecord(folder, config_hash="abc", seed=7).write()
    assert written(folder) == {
        "format": 2,
        "config_hash": "abc",
        "seed": 7,
        "status": "running",
        "objective": None,
        "metrics": {},
        "epochs": 0,
        "fit_seconds": 0.0,
        "wandb_run_id": None,
        "error": None,
        "repeats": None,
    }
    assert RunRecord.read(folder) == RunRecord(folder, config_hash="abc", seed=7)


def test_what_is_read_is_what_was_written(tmp_path):
    record = RunRecord(tmp_path, config_hash="abc", seed=0)
    record.write()
    record.status, record.objective, record.metrics = Outcome.COMPLETED, 0.5, {"accuracy": 0.5}
    record.epochs, record.fit_seconds, record.wandb_run_id = 3, 1.5, "x1"
    record.repeats = {"std": {"accuracy": 0.1}}
    record.write()
    assert RunRecord.read(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_read_back(tmp_path, outcome):
    RunRecord(tmp_path, "abc", 0, status=outcome).write()
    assert written(tmp_path)["status"] == outcome.value
    assert RunRecord.read(tmp_path).status is outcome


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_become_null(tmp_path, value):
    RunRecord(tmp_path, "abc", 0, objective=value, metrics={"heuristic": value}).write()
    text = (tmp_path / "result.json").read_text()
    values = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert values["objective"] is None
    assert values["metrics"] == {"heuristic": None}


def test_errors_are_kept_in_any_language(tmp_path):
    RunRecord(tmp_path, "abc", 0, status=Outcome.FAILED, error="Größe: 0 Zellen — γδ").write()
    assert RunRecord.read(tmp_path).error == "Größe: 0 Zellen — γδ"


@pytest.mark.parametrize(
    ("raised", "outcome", "error"),
    [
        (ValueError("no cells"), Outcome.FAILED, "ValueError: no cells"),
        (ValueError(), Outcome.FAILED, "ValueError"),
        (KeyboardInterrupt(), Outcome.INTERRUPTED, "KeyboardInterrupt"),
        (SystemExit(3), Outcome.FAILED, "SystemExit: 3"),
    ],
)
def test_what_ends_a_run_is_recorded(tmp_path, raised, outcome, error):
    def run():
        with recording(RunRecord(tmp_path, "abc", 0)):
            assert RunRecord.read(tmp_path).status is Outcome.RUNNING
            raise raised

    with pytest.raises(type(raised)):
        run()
    found = RunRecord.read(tmp_path)
    assert (found.status, found.error) == (outcome, error)


# ---------------------------------------------------------------- what is no record


def test_a_folder_without_a_record_has_none(tmp_path):
    assert RunRecord.read(tmp_path) is None
    assert RunRecord.read(tmp_path / "nothing") is None
    (tmp_path / "file").touch()
    assert RunRecord.read(tmp_path / "file") is None


def changed(folder, **values) -> None:
    RunRecord(folder, "abc", 0).write()
    now = {key: value for key, value in (written(folder) | values).items() if value != "absent"}
    (folder / "result.json").write_text(json.dumps(now))


@pytest.mark.parametrize(
    "values",
    [
        {"status": "absent"},
        {"status": "no such outcome"},
        {"config_hash": "absent"},
        {"metrics": "absent"},
        {"seed": "absent"},
        {"unknown": 1},
    ],
)
def test_a_damaged_record_is_none(tmp_path, values):
    changed(tmp_path, **values)
    assert RunRecord.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', '{"a": 1}'])
def test_another_file_of_that_name_is_no_record(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert RunRecord.read(tmp_path) is None


def test_a_file_without_a_format_is_of_the_first(tmp_path):
    changed(tmp_path, format="absent", status="completed", objective=1.5)
    found = RunRecord.read(tmp_path)
    assert (found.status, found.objective) == (Outcome.COMPLETED, 1.5)


@pytest.mark.parametrize(
    ("error", "outcome", "rest"),
    [
        ("WorkerLost: killed by SIGKILL", Outcome.LOST, "killed by SIGKILL"),
        ("TimedOut: after 5 min", Outcome.TIMED_OUT, "after 5 min"),
        ("ValueError: TimedOut: no", Outcome.FAILED, "ValueError: TimedOut: no"),
        (None, Outcome.FAILED, None),
    ],
)
def test_the_first_format_told_the_cause_in_the_error(tmp_path, error, outcome, rest):
    changed(tmp_path, format="absent", status="failed", error=error)
    found = RunRecord.read(tmp_path)
    assert (found.status, found.error) == (outcome, rest)


def test_in_the_second_format_an_error_is_only_an_error(tmp_path):
    changed(tmp_path, status="failed", error="WorkerLost: a word of the user's")
    assert RunRecord.read(tmp_path).status is Outcome.FAILED


def test_a_later_format_is_refused(tmp_path):
    changed(tmp_path, format=99)
    with pytest.raises(InputError, match=r"of format 99, this version reads up to 2: update") as e:
        RunRecord.read(tmp_path)
    assert e.value.where == str(tmp_path / "result.json")


def test_a_format_that_is_no_number_is_refused(tmp_path):
    changed(tmp_path, format="new")
    with pytest.raises(InputError, match="format: expected a number, found 'new'"):
        RunRecord.read(tmp_path)

"""``result.json``: always whole, readable by any JSON parser."""

from __future__ import annotations

import json

import pytest

from scyan_exp.run.record import RunRecord


def test_a_new_run_is_running(tmp_path):
    RunRecord(tmp_path / "run", config_hash="abc", seed=7).write()
    assert RunRecord.read(tmp_path / "run") == {
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


def test_the_end_of_a_run_replaces_its_start(tmp_path):
    record = RunRecord(tmp_path, config_hash="abc", seed=0)
    record.write()
    record.status, record.objective, record.metrics = "completed", 0.5, {"accuracy": 0.5}
    record.epochs, record.fit_seconds, record.wandb_run_id = 3, 1.5, "x1"
    record.write()
    values = RunRecord.read(tmp_path)
    assert (values["status"], values["objective"], values["epochs"]) == ("completed", 0.5, 3)
    assert values["metrics"] == {"accuracy": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert record.path == tmp_path / "result.json"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_become_null(tmp_path, value):
    RunRecord(tmp_path, "abc", 0, objective=value, metrics={"heuristic": value}).write()
    text = (tmp_path / "result.json").read_text()
    values = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert values["objective"] is None
    assert values["metrics"] == {"heuristic": None}


def test_a_folder_without_a_record_has_none(tmp_path):
    assert RunRecord.read(tmp_path) is None
    assert RunRecord.read(tmp_path / "nothing") is None


def test_errors_are_kept_in_any_language(tmp_path):
    RunRecord(tmp_path, "abc", 0, status="failed", error="Größe: 0 Zellen — γδ").write()
    assert RunRecord.read(tmp_path)["error"] == "Größe: 0 Zellen — γδ"

"""``result.json``: always whole, readable by any JSON parser, also that of earlier versions."""

from __future__ import annotations

import json
import math
import os

import pytest

from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import (
    RunRecord,
    clear_earlier,
    clear_results,
    objective_value,
    recording,
)
from tests.fleet.units import job


def written(folder) -> dict:
    """What any other program reads."""
    return json.loads((folder / "result.json").read_text())


def test_a_new_run_is_running(tmp_path):
    folder = tmp_path / "run"
    RunRecord(folder, config_hash="abc", seed=7).write()
    assert written(folder) == {
        "format": 4,
        "config_hash": "abc",
        "seed": 7,
        "status": "running",
        "objective": None,
        "metrics": {},
        "epochs": 0,
        "fit_seconds": 0.0,
        "stopped_because": None,
        "wandb_run_id": None,
        "error": None,
        "repeats": None,
        "trust": None,
    }
    assert RunRecord.read(folder) == RunRecord(folder, config_hash="abc", seed=7)


def test_a_run_that_has_ended_waits_for_the_disk_with_its_course(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def record_fsync(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_fsync)
    record, course = RunRecord(tmp_path, config_hash="abc", seed=0), tmp_path / "metrics.csv"
    course.touch()
    record.write()
    assert synced == []  # nothing is lost yet
    record.end(Outcome.COMPLETED, {"loss": 1.0}, "loss")
    files = (course, tmp_path / "result.json", tmp_path)
    assert synced == [path.stat().st_ino for path in files]


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


def changed(record: RunRecord, **values: object) -> None:
    """Write a record of which something is different, or absent."""
    record.write()
    now = {**written(record.folder), **values}
    now = {key: value for key, value in now.items() if value != "absent"}
    (record.folder / "result.json").write_text(json.dumps(now))


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
    changed(RunRecord(tmp_path, "abc", 0), **values)
    assert RunRecord.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', '{"a": 1}'])
def test_another_file_of_that_name_is_no_record(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert RunRecord.read(tmp_path) is None


def test_the_record_of_a_run_is_that_of_its_folder(tmp_path):
    record = RunRecord(tmp_path, "abc", 7, status=Outcome.FAILED)
    record.write()
    assert RunRecord.of_run(tmp_path) == record


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "no such folder; expected that of a run"),
        (["train.log"], "no run: there is no result.json in it"),
        (["multirun.yaml"], "this is the folder of a sweep; expected that of one of its jobs"),
        (["result.json", "multirun.yaml"], "no run: its result.json is damaged"),
    ],
)
def test_a_folder_without_a_run_says_what_it_is(tmp_path, files, message):
    folder = tmp_path / "run"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    with pytest.raises(InputError) as raised:
        RunRecord.of_run(folder)
    assert str(raised.value) == f"{folder}: {message}"


# ---------------------------------------------------------------- whether a run need not be run


def config(objective: str | list[str] = "loss", **changes: object) -> RunConfig:
    return job(0, objective=objective, **changes).checked


@pytest.mark.parametrize(
    ("objective", "metrics", "value"),
    [
        ("loss", {"loss": 0.5}, 0.5),
        ("loss", {"loss": 0.5, "heuristic": 3.0}, 0.5),
        (["heuristic", "loss"], {"loss": 0.5, "heuristic": 3.0}, [3.0, 0.5]),
    ],
)
def test_a_completed_run_has_the_objective_of_today(tmp_path, objective, metrics, value):
    """The objective is no part of what identifies a run: it only has to have been measured."""
    record = RunRecord(tmp_path, config().hash, 3, epochs=8)
    record.end(Outcome.COMPLETED, {**metrics, "ilisi": 2.0}, "ilisi")
    changed(record, metrics=metrics)
    found = RunRecord.read_ended(tmp_path, config(objective))
    assert (found.status, found.objective) == (Outcome.COMPLETED, value)
    assert (found.seed, found.epochs, found.metrics) == (3, 8, metrics)


def test_a_run_that_the_search_stopped_is_not_run_again(tmp_path):
    RunRecord(tmp_path, config().hash, 3, status=Outcome.PRUNED, objective=0.5).write()
    found = RunRecord.read_ended(tmp_path, config())
    assert (found.status, found.seed, found.objective) == (Outcome.PRUNED, 3, None)


@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        ("loss", {"config_hash": "0" * 16}),
        ("loss", {"config_hash": "0" * 16, "status": "pruned"}),
        ("heuristic", {}),
        (["heuristic", "loss"], {}),
        *(
            ("loss", {"status": one})
            for one in Outcome
            if one not in (Outcome.COMPLETED, Outcome.PRUNED)
        ),
    ],
)
def test_what_is_not_this_run_at_its_end_is_run_again(tmp_path, objective, changes):
    """Of another config, without the objective, or ended otherwise, whatever it has measured."""
    record = RunRecord(tmp_path, config().hash, 3)
    record.end(Outcome.COMPLETED, {"loss": 0.5}, "loss")
    assert RunRecord.read_ended(tmp_path, config()) is not None
    changed(record, **changes)
    assert RunRecord.read_ended(tmp_path, config(objective)) is None


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_that_was_cut_off_is_one_of_this_config(tmp_path, outcome):
    RunRecord(tmp_path, config().hash, 3, status=outcome).write()
    assert RunRecord.has_cut_off(tmp_path, config()) == outcome.was_cut_off
    assert not RunRecord.has_cut_off(tmp_path, config(seed=4))


def test_a_folder_without_a_record_has_no_run_to_go_on_with(tmp_path):
    assert RunRecord.read_ended(tmp_path, config()) is None
    assert not RunRecord.has_cut_off(tmp_path, config())


# ---------------------------------------------------------------- how a run ends


@pytest.mark.parametrize(
    ("status", "objective", "value"),
    [
        ("completed", "loss", 0.5),
        ("completed", ["heuristic", "loss"], [3.0, 0.5]),
        ("pruned", "loss", None),
    ],
)
def test_a_run_ends_with_its_metrics_and_its_objective(tmp_path, status, objective, value):
    metrics = {"loss": 0.5, "heuristic": 3.0}
    assert RunRecord(tmp_path, "abc", 0).end(Outcome(status), metrics, objective) == value
    found = written(tmp_path)
    assert (found["status"], found["metrics"], found["objective"]) == (status, metrics, value)


def test_a_metric_without_a_finite_value_is_no_number_as_an_objective():
    value = objective_value({"loss": None, "heuristic": 3}, ["heuristic", "loss"])
    assert value == [3.0, pytest.approx(math.nan, nan_ok=True)]
    assert math.isnan(objective_value({"loss": None}, "loss"))


@pytest.mark.parametrize(
    ("objective", "absent"),
    [("ilisi", "ilisi"), (["accuracy", "loss", "ilisi"], "accuracy, ilisi")],
)
def test_a_run_cannot_end_without_its_objective(tmp_path, objective, absent):
    """A metric of the user's that was there when the config was checked."""
    record = RunRecord(tmp_path, "abc", 0)
    record.write()
    with pytest.raises(InputError) as raised:
        record.end(Outcome.COMPLETED, {"heuristic": 3.0, "loss": 1.0}, objective)
    computed = "computed were heuristic, loss"
    assert str(raised.value) == f"objective: {absent} was not computed; {computed}"
    assert written(tmp_path)["status"] == "running"


# ---------------------------------------------------------------- a folder that is used again


@pytest.mark.parametrize(
    ("clear", "kept"),
    [
        (clear_results, {"checkpoints", "metrics.csv", "population_weights.csv"}),
        (clear_earlier, set()),
    ],
)
def test_a_folder_used_again_shows_nothing_of_an_earlier_run(tmp_path, clear, kept):
    """A run that goes on keeps its model and its course, one with repeats has neither."""
    own = RunFolder(tmp_path)
    clear(tmp_path)  # of a folder that has nothing yet
    files = (own.result, own.log, own.config, own.annotated, own.metrics, own.population_weights)
    left = [
        own.last.with_name(".last-0123abcd.ckpt"),
        own.config.with_name(".config-0123abcd.yaml"),
        own.path / ".annotated-0123abcd.h5ad",
    ]
    for path in (*files, own.best, own.last, own.figures / "umap.png", *left):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    clear(tmp_path)
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"result.json", "train.log", ".hydra", *kept}
    assert not any(path.exists() for path in left)  # of a process that was killed

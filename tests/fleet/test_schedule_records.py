"""What the schedule reads from and writes into the records of jobs. Nothing is trained here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.config.check import config_hash
from scyan_exp.files import write_json
from scyan_exp.fleet.jobs import Job
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from tests.fleet.playing import play, table
from tests.fleet.rehearsal import Rehearsal

PLAIN = {"objective": "loss", "seed": 0, "trainer": {"devices": 1, "max_epochs": 5}}


def completed(folder: Path, number: int = 0, loss: float = 0.5, **changes: object) -> Job:
    """A job whose folder holds a result."""
    RunRecord(folder, config_hash(PLAIN), 0).end(Outcome.COMPLETED, {"loss": loss}, "loss")
    path = RunFolder(folder).result
    write_json(path, {**json.loads(path.read_text()), **changes})
    return Job(number, folder, [], OmegaConf.create({}), PLAIN)


def test_a_completed_job_is_kept(tmp_path, capfd):
    job = completed(tmp_path / "0")
    before = (tmp_path / "0" / "result.json").read_bytes()
    engine = Rehearsal()
    (state,) = play(tmp_path, engine, [job])
    assert (state.status, state.outcome, state.value) == ("kept", Outcome.COMPLETED, 0.5)
    assert engine.started == []
    assert (tmp_path / "0" / "result.json").read_bytes() == before
    assert "1 of 1 jobs are completed already" in capfd.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [{"status": "running"}, {"status": "failed"}, {"config_hash": "0" * 16}, {"metrics": {}}],
)
def test_anything_else_is_run(tmp_path, changes):
    engine = Rehearsal()
    (state,) = play(tmp_path, engine, [completed(tmp_path / "0", **changes)])
    assert (state.status, engine.started) == ("completed", [0])


@pytest.mark.parametrize("text", ["", '{"status": "comp', "[1]", "{}"])
def test_a_job_whose_result_cannot_be_read_is_run(tmp_path, text):
    job = completed(tmp_path / "0")
    (tmp_path / "0" / "result.json").write_text(text)
    engine = Rehearsal()
    (state,) = play(tmp_path, engine, [job])
    assert (state.status, engine.started) == ("completed", [0])


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.TIMED_OUT])
def test_the_record_of_a_job_that_lost_its_process_says_so(tmp_path, outcome):
    job = completed(tmp_path / "0", status="running")
    play(tmp_path, Rehearsal({0: [outcome] * 2}), [job])
    record = RunRecord.read(tmp_path / "0")
    assert (record.status, record.error) == (outcome, f"{outcome}!")
    assert RunRecord.has_cut_off(tmp_path / "0", PLAIN)


def test_a_record_that_says_how_its_run_ended_stays(tmp_path):
    """The process was lost after it."""
    job = completed(tmp_path / "0", status="failed", error="ValueError: no")
    play(tmp_path, Rehearsal({0: ["lost"] * 2}), [job])
    record = RunRecord.read(tmp_path / "0")
    assert (record.status, record.error) == (Outcome.FAILED, "ValueError: no")


def test_the_table_has_the_metrics_of_jobs_that_ran_and_of_kept_ones(tmp_path):
    kept, runs, fails = (completed(tmp_path / str(i), i, loss=i + 0.25) for i in range(3))
    records = {job.number: RunFolder(job.folder).result for job in (runs, fails)}
    text = records[1].read_text()
    for path in records.values():
        path.unlink()
    write = Rehearsal({2: ["failed"]}, at_start=lambda n: n == 1 and records[n].write_text(text))
    play(tmp_path, write, [kept, runs, fails])
    rows = table(tmp_path)
    assert [row["status"] for row in rows] == ["kept", "completed", "failed"]
    assert [row["loss"] for row in rows] == ["0.25", "1.25", ""]


def test_each_record_is_read_once_after_the_end_of_its_job(tmp_path, monkeypatch):
    """The table is written after each job, so reading all records each time would be n^2."""
    jobs = [completed(tmp_path / str(i), i, status="running") for i in range(6)]
    reads: list[Path] = []
    read = RunRecord.read
    monkeypatch.setattr(RunRecord, "read", lambda folder: reads.append(folder) or read(folder))
    play(tmp_path, Rehearsal(), jobs)
    assert sorted(reads) == sorted(2 * [job.folder for job in jobs])  # before it, and after it

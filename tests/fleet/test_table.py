"""The table of a sweep, in its file and on the terminal."""

from __future__ import annotations

import csv

import pytest

from scyan_exp import files
from scyan_exp.fleet.state import JobState, label_jobs
from scyan_exp.fleet.table import MANY_ROWS, Table, other_rows, shown, write_csv
from scyan_exp.results.verdict import Level
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.sweep_files import COLUMNS, read_rows
from tests.fleet.playing import table
from tests.fleet.units import job

COMPLETED, FAILED, LOST = Outcome.COMPLETED, Outcome.FAILED, Outcome.LOST


def test_the_table_survives_reading_back(tmp_path):
    error = 'ValueError: a "b", c'
    states = [
        JobState(job(0, tmp_path / "0"), COMPLETED, -1.25, None, 3.14159, "cpu:1", 1),
        JobState(job(1, tmp_path / "1"), FAILED, None, error, 1.0, "cpu:0", 1),
        JobState(job(2, tmp_path / "2")),
    ]
    write_csv(states, tmp_path / "sweep.csv", {})
    first, second, third = table(tmp_path)
    assert tuple(first) == COLUMNS
    assert (first["objective"], first["seconds"], first["error"]) == ("-1.25", "3.14", "")
    assert first["folder"] == str(tmp_path / "0")
    assert (second["objective"], second["error"]) == ("", error)
    assert (third["status"], third["seconds"], third["device"]) == ("not run", "", "")


def test_a_kept_job_is_completed_and_says_that_it_was_before(tmp_path):
    kept = JobState(job(0), COMPLETED, 2.0, is_kept=True)
    pruned = JobState(job(1), Outcome.PRUNED, is_kept=True)
    write_csv([kept, pruned], tmp_path / "sweep.csv", {})
    assert [row["status"] for row in table(tmp_path)] == ["kept", "pruned"]


def test_rows_of_other_jobs_stay_in_the_table(tmp_path):
    path = tmp_path / "sweep.csv"
    first = [JobState(job(i, tmp_path / str(i)), COMPLETED, float(i)) for i in (0, 1, 10)]
    assert other_rows(path, {0}) == {}
    write_csv(first, path, {})
    second = [JobState(job(1), FAILED), JobState(job(2), COMPLETED, 2.0, is_kept=True)]
    write_csv(second, path, other_rows(path, {1, 2}))
    rows = table(tmp_path)
    assert [row["job"] for row in rows] == ["0", "1", "2", "10"]
    assert [row["status"] for row in rows] == ["completed", "failed", "kept", "completed"]
    path.write_text("not,a\ntable")
    assert other_rows(path, set()) == {}


def test_the_table_has_a_column_for_each_metric_of_any_job(tmp_path):
    states = [
        JobState(job(0), COMPLETED, 0.5, metrics={"loss": 0.5, "ilisi": None}),
        JobState(job(1), FAILED),
        JobState(job(2), COMPLETED, 1.5, metrics={"accuracy": 0.25, "loss": 1.5}),
    ]
    write_csv(states, tmp_path / "sweep.csv", {})
    rows = table(tmp_path)
    assert tuple(rows[0]) == (*COLUMNS, "loss", "ilisi", "accuracy")
    assert [row["loss"] for row in rows] == ["0.5", "", "1.5"]
    assert [row["ilisi"] for row in rows] == ["", "", ""]
    assert [row["accuracy"] for row in rows] == ["", "", "0.25"]


def test_metrics_of_earlier_batches_stay_and_new_ones_follow(tmp_path):
    path = tmp_path / "sweep.csv"
    write_csv([JobState(job(0), COMPLETED, metrics={"loss": 0.5})], path, {})
    later = JobState(job(1), COMPLETED, metrics={"accuracy": 0.25})
    write_csv([later], path, other_rows(path, {1}))
    rows = table(tmp_path)
    assert [(row["loss"], row["accuracy"]) for row in rows] == [("0.5", ""), ("", "0.25")]


def test_a_table_of_before_the_metrics_is_read(tmp_path):
    cells = ("7", "seed=7", "completed", "0.5", "3.14", "cpu:0", "", "/elsewhere/7")
    with (tmp_path / "sweep.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, cells])
    states = [JobState(job(0), COMPLETED, metrics={"loss": 0.5})]
    Table(tmp_path / "sweep.csv", states)
    first, second = table(tmp_path)
    assert (first["loss"], second["loss"]) == ("0.5", "")
    assert tuple(second.values())[: len(COLUMNS)] == cells


# ---------------------------------------------------------------- on the terminal


def test_the_terminal_shows_aligned_columns_and_errors_below():
    states = [
        JobState(job(0), COMPLETED, 0.123456, None, 3.0, "cpu:0"),
        JobState(job(10), LOST, None, "its process was killed by SIGKILL", 3.0, "cpu:0"),
    ]
    lines = shown(states).splitlines()
    assert len({line.find("seed=") for line in lines[1:3]}) == 1
    assert "0.1235" in lines[1]
    assert lines[3] == "job 10: its process was killed by SIGKILL"


def test_an_objective_of_zero_is_shown():
    header, line = shown([JobState(job(0), COMPLETED, 0, None, 1.0, "cpu:0")]).splitlines()
    assert line[header.index("objective")] == "0"


def test_overrides_that_all_jobs_have_are_not_shown():
    states = [JobState(job(i)) for i in (0, 1)]
    for state in states:
        state.job.overrides.append("model.lr=0.1")
    label_jobs(states)
    assert [state.label for state in states] == ["seed=0", "seed=1"]
    assert "model.lr" not in shown(states)
    label_jobs(states[:1])
    assert states[0].label == "seed=0 model.lr=0.1"


def test_of_many_rows_the_terminal_shows_what_needs_attention():
    states = [JobState(job(i), COMPLETED, 0.5) for i in range(MANY_ROWS + 20)]
    states[7].outcome, states[7].error = FAILED, "ValueError: no"
    text = shown(states)
    assert "job 7: ValueError: no" in text
    assert len(text.splitlines()) == 4
    assert text.endswith(f"... and {len(states) - 1} more in sweep.csv")


@pytest.mark.parametrize(("n_failed", "n_completed"), [(3, 0), (MANY_ROWS, 0), (45, 0), (45, 9)])
def test_every_row_is_shown_or_counted(n_failed, n_completed):
    states = [JobState(job(i), FAILED, error="no") for i in range(n_failed)]
    states += [JobState(job(n_failed + i), COMPLETED) for i in range(n_completed)]
    header, *lines = shown(states).splitlines()
    n_shown = sum(line.split()[:1] != ["job"] and line[0] != "." for line in lines)
    n_counted = int(lines[-1].split()[2]) if lines[-1].startswith("...") else 0
    assert header.startswith("job")
    assert n_shown + n_counted == len(states)
    assert n_shown == sum(line.startswith("job ") for line in lines) <= MANY_ROWS


def test_the_verdict_on_a_run_stands_in_its_row(tmp_path):
    judged = JobState(job(0), COMPLETED, 1.0, verdict="do not use", metrics={"loss": 2.0})
    states = [judged, JobState(job(1), FAILED)]
    write_csv(states, tmp_path / "sweep.csv", {})
    assert [row["verdict"] for row in table(tmp_path)] == ["do not use", ""]
    head, first, second, last = shown(states).splitlines()
    assert head.endswith("verdict")
    assert first.endswith("! do not use")
    assert not second.endswith("do not use")
    assert last == (
        "Do not use the annotation of 1 of 2 jobs, whatever their objective: 0. The reasons are in "
        "their result.json (trust)"
    )


def test_of_many_rows_those_that_should_not_be_used_are_shown():
    states = [JobState(job(i), COMPLETED, 0.5, verdict="good") for i in range(MANY_ROWS + 20)]
    states[7].verdict = Level.DO_NOT_USE.value
    lines = shown(states).splitlines()
    assert lines[1].startswith("7 ")
    assert lines[1].endswith("! do not use")
    assert len(lines) == 4


# ---------------------------------------------------------------- of thousands of jobs


@pytest.mark.parametrize("n_jobs", [3, 100, 1000])
def test_a_row_costs_the_same_however_many_there_are(tmp_path, monkeypatch, n_jobs):
    """Bytes that the table writes for each change: some rows, and not all of them."""
    written: list[int] = []
    write_text = files.write_text

    def counted(path, text, durable=True):
        written.append(len(text))
        write_text(path, text, durable)

    monkeypatch.setattr("scyan_exp.run.sweep_files.write_text", counted)
    states = [JobState(job(i)) for i in range(n_jobs)]
    table_of = Table(tmp_path / "sweep.csv", states)
    of_a_row = written.pop() / n_jobs
    for state in states:
        state.outcome = COMPLETED
        table_of.ended(state)
        assert read_rows(tmp_path / "sweep.csv")[state.job.number]["status"] == "completed"
        if n_jobs == 1000 and state.job.number > 150:  # reading all rows again takes a while
            break
    assert sum(written) <= 15 * of_a_row * (state.job.number + 1)
    table_of.write()
    assert [one["status"] for one in table(tmp_path)].count("completed") == state.job.number + 1

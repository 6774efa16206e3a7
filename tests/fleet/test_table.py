"""The table of a sweep, in its file and on the terminal."""

from __future__ import annotations

import csv

from scyan_exp.fleet.schedule import Row
from scyan_exp.fleet.table import COLUMNS, MANY_ROWS, other_rows, shown, write_csv
from tests.fleet.units import job


def test_the_table_survives_reading_back(tmp_path):
    rows = [
        Row(job(0, tmp_path / "0"), "completed", -1.25, None, 3.14159, "cpu:1", 1),
        Row(job(1, tmp_path / "1"), "failed", None, 'ValueError: a "b", c', 1.0, "cpu:0", 1),
        Row(job(2, tmp_path / "2")),
    ]
    write_csv(rows, tmp_path / "sweep.csv", {})
    with (tmp_path / "sweep.csv").open(newline="") as file:
        first, second, third = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["objective"], first["seconds"], first["error"]) == ("-1.25", "3.14", "")
    assert first["folder"] == str(tmp_path / "0")
    assert (second["objective"], second["error"]) == ("", 'ValueError: a "b", c')
    assert (third["status"], third["seconds"], third["device"]) == ("not run", "", "")


def test_rows_of_other_jobs_stay_in_the_table(tmp_path):
    path = tmp_path / "sweep.csv"
    first = [Row(job(i, tmp_path / str(i)), "completed", float(i)) for i in (0, 1, 10)]
    assert other_rows(path, {0}) == {}
    write_csv(first, path, {})
    write_csv([Row(job(1), "failed"), Row(job(2), "kept", 2.0)], path, other_rows(path, {1, 2}))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == ["0", "1", "2", "10"]
    assert [row["status"] for row in rows] == ["completed", "failed", "kept", "completed"]
    path.write_text("not,a\ntable")
    assert other_rows(path, set()) == {}


def test_the_terminal_shows_aligned_columns_and_errors_below():
    rows = [
        Row(job(0), "completed", 0.123456, None, 3.0, "cpu:0"),
        Row(job(10), "lost", None, "its process was killed by SIGKILL", 3.0, "cpu:0"),
    ]
    lines = shown(rows).splitlines()
    assert len({line.find("seed=") for line in lines[1:3]}) == 1
    assert "0.1235" in lines[1]
    assert lines[3] == "job 10: its process was killed by SIGKILL"


def test_an_objective_of_zero_is_shown():
    header, line = shown([Row(job(0), "completed", 0, None, 1.0, "cpu:0")]).splitlines()
    assert line[header.index("objective")] == "0"


def test_of_many_rows_the_terminal_shows_what_needs_attention():
    rows = [Row(job(i), "completed", 0.5) for i in range(MANY_ROWS + 20)]
    rows[7].status, rows[7].error = "failed", "ValueError: no"
    text = shown(rows)
    assert "job 7: ValueError: no" in text
    assert len(text.splitlines()) == 4
    assert text.endswith(f"... and {len(rows) - 1} more in sweep.csv")

"""Tables and lists of sweeps that grow a line at a time, read by others meanwhile."""

from __future__ import annotations

import threading

import pytest

from scyan_exp.errors import InputError
from scyan_exp.run.journal import add_line, journal_of, read_with_journal, take_in
from scyan_exp.run.sweep_files import (
    COLUMNS,
    ListedJob,
    Manifest,
    add_row,
    read_rows,
    write_rows,
)


def row(job: int, status: str, **metrics: str) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, ""), "job": str(job), "status": status, **metrics}


def statuses(path) -> dict[int, str]:
    return {job: one["status"] for job, one in read_rows(path).items()}


def test_a_row_is_seen_at_once_and_the_last_one_of_a_job_counts(tmp_path):
    path = tmp_path / "sweep.csv"
    write_rows(path, {job: row(job, "not run") for job in range(3)})
    before = path.read_bytes()
    add_row(path, row(1, "running"))
    add_row(path, row(2, "running"))
    add_row(path, row(1, "completed", loss="0.5"))
    assert path.read_bytes() == before
    assert statuses(path) == {0: "not run", 1: "completed", 2: "running"}
    assert read_rows(path)[1]["loss"] == "0.5"


def test_the_table_takes_the_rows_in(tmp_path):
    path = tmp_path / "sweep.csv"
    add_row(path, row(1, "completed"))
    write_rows(path, read_rows(path))
    assert list(tmp_path.iterdir()) == [path]
    assert statuses(path) == {1: "completed"}


@pytest.mark.parametrize(
    "left", [b"", b"\n", b'\n{"job": "2", "sta', b'\n{"job": "2"}\x00', b"\n7"]
)
def test_a_line_that_was_cut_off_spoils_no_other(tmp_path, left):
    path = tmp_path / "sweep.csv"
    add_row(path, row(0, "completed"))
    with journal_of(path).open("ab") as file:
        file.write(left)
    add_row(path, row(1, "running"))
    assert statuses(path) == {0: "completed", 1: "running"}


def test_a_reader_meanwhile_never_misses_a_row_nor_sees_an_old_one(tmp_path):
    """Rows count upwards, and are taken in after every third."""
    path, last, seen = tmp_path / "sweep.csv", 600, []
    write_rows(path, {0: row(0, "0")})

    def write() -> None:
        for n in range(1, last + 1):
            add_row(path, row(0, str(n)))
            if n % 3 == 0:
                write_rows(path, read_rows(path))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        seen.append(int(statuses(path)[0]))
    writer.join()
    seen.append(int(statuses(path)[0]))
    assert seen == sorted(seen)
    assert seen[-1] == last


def test_a_job_is_added_to_the_list(tmp_path):
    path = tmp_path / "sweep.json"
    Manifest([ListedJob(0, "0", ["seed=0"])], {"retries": 2}).write(path)
    Manifest.add(path, ListedJob(1, "1", ["seed=1"], 0, [(("seed",), 1), (("tags", 0), "x")]))
    Manifest.add(path, ListedJob(0, "0", ["seed=7"]))
    read = Manifest.read(path)
    assert [one.overrides for one in read.jobs] == [["seed=7"], ["seed=1"]]
    assert (read.launcher, read.jobs[1].base) == ({"retries": 2}, 0)
    assert read.jobs[1].values == [(("seed",), 1), (("tags", 0), "x")]
    read.write(path)
    assert list(tmp_path.iterdir()) == [path]
    assert Manifest.read(path) == read


def test_a_damaged_line_of_the_list_is_refused(tmp_path):
    path = tmp_path / "sweep.json"
    Manifest([], {}).write(path)
    add_line(path, {"number": "none"})
    with pytest.raises(InputError, match="not the list of a sweep's jobs"):
        Manifest.read(path)


def test_adding_costs_the_same_whatever_the_length(tmp_path):
    path = tmp_path / "file"
    add_line(path, {"n": 0})
    first = journal_of(path).stat().st_size
    for _ in range(99):
        add_line(path, {"n": 0})
    assert journal_of(path).stat().st_size == 100 * first
    assert len(read_with_journal(path)[1]) == 100
    take_in(path)
    assert read_with_journal(path)[1] == []

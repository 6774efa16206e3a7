"""Programs whose output nobody reads any more, as in ``scyan-exp train | head -1``."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.terminal import LogFile, aligned, one_line
from tests.starting import Process

WRITER = """\
import sys
from scyan_exp.terminal import outlive_readers

outlive_readers()
print("first", flush=True)
sys.stdin.readline()
for i in range(3):
    print("x" * 10_000_000, flush=True)
    print("y" * 100_000, file=sys.stderr)
    sys.__stdout__.write("z")
    sys.__stdout__.flush()
open(sys.argv[1], "w").write("done")
"""


def test_a_program_outlives_those_who_read_its_output(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "end")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout.readline() == b"first\n"
    process.stdout.close()
    process.stdin.write(b"go on\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "end").read_text() == "done"


def test_output_into_a_pipe_arrives_whole(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "end")], input=b"\n", capture_output=True
    )
    assert done.returncode == 0
    line = b"x" * 10_000_000 + b"\n"
    assert done.stdout == b"first\n" + line + b"z" + line + b"z" + line + b"z"
    assert done.stderr == (b"y" * 100_000 + b"\n") * 3


def test_output_that_is_no_pipe_stays_as_it_is(tmp_path):
    program = (
        "import sys; from scyan_exp.terminal import outlive_readers;"
        "before = sys.stdout, sys.stderr;"
        "outlive_readers(); assert before == (sys.stdout, sys.stderr)"
    )
    with (tmp_path / "out").open("w") as file:
        command = [sys.executable, "-c", program]
        assert subprocess.run(command, stdout=file, stderr=file).returncode == 0


@pytest.mark.parametrize(
    "more", [pytest.param([], marks=pytest.mark.slow), ["-m", "seed=0,1", "hydra/launcher=fleet"]]
)
def test_a_run_ends_well_without_a_reader(tmp_path, more):
    folder = "hydra.sweep.dir" if more else "hydra.run.dir"
    command = ["-m", "scyan_exp", "train", "experiment=smoke", "logger=none", "figures.draw=none"]
    ours, theirs = os.pipe()
    process = Process(
        [*command, *more, f"{folder}={tmp_path / 'run'}"],
        stdout=theirs,
        together=True,
        cwd=tmp_path,
    )
    os.close(theirs)
    with os.fdopen(ours) as output:
        assert output.readline()
    assert process.wait(timeout=120) == 0
    results = list((tmp_path / "run").rglob("result.json"))
    assert len(results) == (2 if more else 1)
    assert all(json.loads(path.read_text())["status"] == "completed" for path in results)


texts = st.text("ab c=.", max_size=30).map(str.strip)


@given(
    rows=st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=5), width=st.integers(20, 90)
)
def test_a_table_fits_a_terminal_or_stands_on_two_lines(rows, width):
    table = [["name", "n", "what"], *map(list, rows)]
    wide = aligned(table, ["n"])
    assert len(wide) == len(table)
    for line, row in zip(wide, table, strict=True):
        assert line.split() == " ".join(row).split()  # nothing is lost without a terminal
    narrow = aligned(table, ["n"], width)
    assert len(narrow) == len(table)
    fixed = sum(max(len(row[i]) for row in table) + 2 for i in range(2))
    for line in narrow:
        for part in line.split("\n"):
            assert len(part) <= max(width, fixed)


def test_the_names_of_columns_and_their_numbers_stand_flush():
    lines = aligned([["name", "n"], ["a", "10"], ["b", "9"]], ["n"])
    assert lines == ["name   n", "a     10", "b      9"]


@given(text=st.text())
def test_text_of_unknown_origin_stays_on_its_line(text):
    shown = one_line(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_on_a_terminal_a_table_is_cut_to_its_width(tmp_path):
    """In a terminal of 60 columns."""
    program = (
        "from scyan_exp.terminal import print_table\n"
        "print_table(['job', 'none', 'overrides'], [['1', '', 'x=[red] ' + 'y' * 200]])\n"
    )
    ours, theirs = pty.openpty()
    try:
        environment = {**os.environ, "COLUMNS": "60", "TERM": "xterm"}
        subprocess.run([sys.executable, "-c", program], stdout=theirs, env=environment, check=True)
        output = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    head, row = output.splitlines()
    assert "\x1b[1m" in head  # bold
    assert "none" not in head  # nothing stands in it
    assert row == "1    x=[red] " + "y" * 46 + "…"


def test_a_log_that_cannot_be_written_is_no_traceback(capsys):
    """A full disk: the results say so, each line of the log need not."""
    log = logging.Logger("full")
    log.addHandler(LogFile("/dev/full"))
    log.warning("a line that is lost")
    assert capsys.readouterr().err == ""
    log.warning("%d", "no number")
    assert "Logging error" in capsys.readouterr().err
    with suppress(OSError):
        log.handlers[0].close()

"""Programs whose output nobody reads any more, as in ``scyan-exp train | head -1``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "scyan_exp", "train", "experiment=smoke", "logger=none"),
            *more,
            f"{folder}={tmp_path / 'run'}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
    )
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    results = list((tmp_path / "run").rglob("result.json"))
    assert len(results) == (2 if more else 1)
    assert all(json.loads(path.read_text())["status"] == "completed" for path in results)

"""The library that strikes: it sees each call, and strikes at the one that it is told."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.striking import Call, read_trace
from tests.crash.zygote import FAIL, FULL, HALF, KILL, NOTHING, compiled

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are traced on Linux"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]

PROGRAM = """\
import ctypes, os, sys
folder, trace, process, number, kind, error = sys.argv[1:]
arguments = (process.encode(), ctypes.c_long(int(number)), int(kind), int(error))
ctypes.CDLL(None).crash_arm(folder.encode(), trace.encode(), *arguments)
os.chdir(folder)
os.mkdir("in")
with open("in/file", "w") as file:
    file.write("0123456789")
with open(trace + ".outside", "w") as file:
    file.write("not counted")
if os.fork() == 0:
    os.rename("in/file", "in/name")
    os._exit(0)
os.wait()
os.link("in/name", "link")
os.unlink("in/name")
"""
CALLS = [
    ("0", 1, "mkdir", 0, "/in"),
    ("0", 2, "create", 0, "/in/file"),
    ("0", 3, "write", 10, "/in/file"),
    ("0.1", 1, "rename", 0, "/in/name"),
    ("0", 4, "link", 0, "/link"),
    ("0", 5, "unlink", 0, "/in/name"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return compiled(tmp_path_factory.mktemp("strike"))


def struck(
    library: Path, tmp_path: Path, process: str, number: int, kind: int, error: int = 0
) -> tuple[int, str, list[Call]]:
    """Run the program: exit code, what it said, and the calls."""
    folder, trace = tmp_path / "folder", tmp_path / "trace"
    folder.mkdir()
    values = [str(one) for one in (folder, trace, process, number, kind, error)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *values],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, read_trace(trace)


def test_every_call_below_the_folder_is_counted(library, tmp_path):
    code, said, calls = struck(library, tmp_path, "", 0, NOTHING)
    assert (code, said) == (0, "")
    assert calls == [Call(*one) for one in CALLS]


@pytest.mark.parametrize("number", range(1, 6))
def test_a_process_is_killed_before_its_call(library, tmp_path, number):
    code, _, calls = struck(library, tmp_path, "0", number, KILL)
    assert code == -signal.SIGKILL
    assert calls[-1] == Call(*[one for one in CALLS if one[0] == "0"][number - 1])
    folder = tmp_path / "folder"
    assert (folder / "in").exists() == (number > 1)
    assert (folder / "link").exists() == (number > 4)
    if number == 3:
        assert (folder / "in/file").read_text() == ""


def test_only_the_process_that_is_meant_is_killed(library, tmp_path):
    code, said, calls = struck(library, tmp_path, "0.1", 1, KILL)
    assert (code, len(calls)) == (1, 5)
    assert "'in/name' -> 'link'" in said  # which the other one did not get to make


def test_half_of_a_write_is_made(library, tmp_path):
    assert struck(library, tmp_path, "0", 3, HALF)[0] == -signal.SIGKILL
    assert (tmp_path / "folder/in/file").read_text() == "01234"


@pytest.mark.parametrize("number", range(1, 6))
def test_a_call_fails_once(library, tmp_path, number):
    code, said, _ = struck(library, tmp_path, "0", number, FAIL, errno.EIO)
    assert (code, os.strerror(errno.EIO) in said) == (1, True)


def test_a_disk_stays_full_for_all_processes_but_takes_new_names(library, tmp_path):
    code, said, calls = struck(library, tmp_path, "0", 3, FULL, errno.ENOSPC)
    assert (code, os.strerror(errno.ENOSPC) in said) == (1, True)
    assert len([one for one in calls if one.call == "write"]) == 2  # Python tries it at the end


def test_an_interrupted_call_is_made_again(library, tmp_path):
    assert struck(library, tmp_path, "0", 3, FAIL, errno.EINTR)[:2] == (0, "")
    assert (tmp_path / "folder/link").read_text() == "0123456789"

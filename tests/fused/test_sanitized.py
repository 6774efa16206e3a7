"""The C code reads and writes its own memory alone, and nothing undefined, at any shape."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fused.conftest import COMPILER

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Run the program of :mod:`tests.fused.fuzzing` on code that the sanitizers watch."""
    folder = tmp_path_factory.mktemp("sanitized")
    compiler = folder / "compiler"
    options = shlex.join(SANITIZERS)
    compiler.write_text(f'#!/bin/sh\nexec {shlex.quote(COMPILER or "cc")} "$@" {options}\n')
    compiler.chmod(0o700)
    libraries = [_library("libasan.so"), _library("libubsan.so")]

    def run(what: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "CC": shlex.quote(str(compiler)),
            "XDG_CACHE_HOME": str(folder),
            "LD_PRELOAD": " ".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own, at its end
        }
        command = [sys.executable, "-m", "tests.fused.fuzzing", what]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def _library(name: str) -> str:
    command = [COMPILER or "cc", f"-print-file-name={name}"]
    path = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    if not path.is_absolute():
        pytest.skip(f"{COMPILER} comes without {name}")
    return str(path.resolve())


@pytest.mark.slow
def test_the_sanitizers_watch(watched):
    done = watched("too little memory")
    assert "heap-buffer-overflow" in done.stderr
    assert "fused.c" in done.stderr
    assert "no fault" not in done.stdout


@pytest.mark.slow
def test_no_fault_at_any_shape_and_number_of_threads(watched):
    done = watched("any shape")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "no fault" in done.stdout

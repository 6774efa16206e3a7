"""The C code is compiled once, for this processor; where it cannot be, nothing is lost but time."""

from __future__ import annotations

import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import time
from ctypes import CDLL
from pathlib import Path

import pytest
import torch

from scyan_exp.fused import FusedModule, compiling, fused
from scyan_exp.fused.compiling import OPTIONS, SOURCES, SWITCH, THREADS, library
from tests.fused.conftest import (
    SMALL,
    Case,
    assert_parity,
    assert_same,
    evaluate,
    make,
    make_cells,
    make_module,
)
from tests.training.conftest import fit, make_model

COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}
HAS_AVX2 = IS_X86 and torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}
#: What compilers are asked for, and whether this processor runs what comes of it.
TARGETS = {
    "native": (compiling.PROCESSOR[0], True),
    "haswell": (("-march=haswell",), HAS_AVX2),
    "x86-64": (("-march=x86-64",), True),
}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder, not made yet, for code that is compiled within the test."""
    base = tmp_path / "caches"
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv(SWITCH, raising=False)
    library.cache_clear()
    yield base / "scyan_exp" / "compiled"
    library.cache_clear()


@pytest.fixture
def choose(tmp_path, monkeypatch, cache):
    """Make a shell script the compiler; ``$compiler`` in it is the real one."""

    def choose(script: str) -> Path:
        path = tmp_path / "compiler"
        path.write_text(f"#!/bin/sh\ncompiler={shlex.quote(COMPILER)}\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setenv("CC", shlex.quote(str(path)))
        library.cache_clear()
        return path

    return choose


@pytest.fixture
def quick(tmp_path, choose):
    """A compiler that does not optimise, and how many times it has compiled."""
    log = tmp_path / "compiled"
    log.touch()
    choose(
        f'case " $* " in *" -shared "*) echo x >> {shlex.quote(str(log))};; esac\n'
        'exec "$compiler" "$@" -O0'
    )
    return lambda: len(log.read_text().splitlines())


def messages(caplog) -> list[tuple[int, str]]:
    return [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if record.name == compiling.__name__
    ]


def path_of(code: CDLL | None) -> Path:
    assert code is not None
    return Path(code._name)


def assert_computes(code: CDLL | None) -> None:
    assert code is not None
    computing, _, x, covariates = make(SMALL, code)
    assert_parity(computing, x, covariates)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# No compiled code


@pytest.mark.parametrize("where", ["PATH", "CC"])
def test_without_a_compiler_the_plain_module_is_used(where, cache, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(where, str(tmp_path / "nowhere"))
    assert [library(), library()] == [None, None]
    assert fused(make_module(SMALL)) is None
    ((level, message),) = messages(caplog)
    assert level == logging.INFO
    assert "No C compiler" in message
    assert "plain PyTorch" in message
    assert not cache.exists()


def test_the_switch(cache, cells, monkeypatch, caplog):
    monkeypatch.setenv(SWITCH, "0")
    assert library() is None
    model = make_model(cells)
    assert model.computing is model.module
    assert not cache.exists()
    assert not messages(caplog)


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "echo what is this >&2; exit 4",
        'case " $* " in *" -shared "*) exit 1;; esac; exec "$compiler" "$@"',  # no macros are easy
        'case " $* " in *" -shared "*) exit 0;; esac; exec "$compiler" "$@"',  # an empty file
        "kill -9 $$",
    ],
    ids=["fails", "says why", "knows macros alone", "writes nothing", "is killed"],
)
def test_a_compiler_that_fails_is_a_warning(script, choose, caplog):
    choose(script)
    assert [library(), library()] == [None, None]
    ((level, message),) = messages(caplog)
    assert level == logging.WARNING
    assert "plain PyTorch" in message
    assert "what is this" in message or "what is this" not in script


def test_what_a_compiler_leaves_behind_is_removed(choose, cache):
    choose('case " $* " in *" -shared "*) exit 1;; esac; exec "$compiler" "$@"')
    assert library() is None
    assert list(cache.iterdir()) == []


def test_a_compiler_that_hangs_is_a_warning(choose, monkeypatch, caplog):
    monkeypatch.setattr(compiling, "COMPILE_SECONDS", 0.2)
    choose("exec sleep 30")
    start = time.perf_counter()
    assert library() is None
    assert time.perf_counter() - start < 10
    assert [level for level, _ in messages(caplog)] == [logging.WARNING]


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("command", ["'", '"cc', "cc \\"])
def test_a_compiler_that_cannot_be_read_is_a_warning(command, monkeypatch, caplog):
    monkeypatch.setenv("CC", command)
    assert library() is None
    assert [level for level, _ in messages(caplog)] == [logging.WARNING]


@pytest.mark.usefixtures("cache")
def test_a_model_trains_where_the_compiler_fails(cells, monkeypatch):
    monkeypatch.setenv("CC", "false")
    model = make_model(cells)
    assert model.computing is model.module
    before = model.module.pi_logit.detach().clone()
    fit(model, cells, max_epochs=1)
    assert not torch.equal(model.module.pi_logit, before)
    assert len(model.predict_step((cells.x, cells.covariates)).population) == len(cells.x)


# The compiled file and its folder


def test_compiled_once(quick, cache):
    first = path_of(library())
    assert first.parent == cache
    before = first.stat()
    library.cache_clear()
    second = path_of(library())
    assert second == first
    assert second.stat().st_mtime_ns == before.st_mtime_ns
    assert second.stat().st_ino == before.st_ino
    assert quick() == 1
    assert list(cache.iterdir()) == [first]
    assert_computes(library())


def test_another_compiler_or_other_code_is_compiled_anew(quick, cache, tmp_path, monkeypatch):
    library()
    monkeypatch.setenv("CC", f"{os.environ['CC']} -DANYTHING")
    library.cache_clear()
    library()
    sources = tmp_path / "sources"
    sources.mkdir()
    for source in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h")):
        shutil.copy(source, sources)
    with (sources / "vectors.h").open("a") as file:
        file.write("/* changed */\n")
    monkeypatch.setattr(compiling, "SOURCES", sources)
    library.cache_clear()
    library()
    assert quick() == 3
    assert len(list(cache.iterdir())) == 3


def test_two_processes_may_compile_at_once(choose, cache, tmp_path):
    """Each waits for the other to compile too; both load what they get."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    choose(
        f'case " $* " in *" -shared "*) : > {shlex.quote(str(meeting))}/$$; n=0\n'
        f"while [ $(ls {shlex.quote(str(meeting))} | wc -l) -lt 2 ] && [ $n -lt 600 ]\n"
        "do n=$((n + 1)); sleep 0.05; done;; esac\n"
        'exec "$compiler" "$@" -O0'
    )
    program = "from scyan_exp.fused.compiling import library; code = library(); print(code._name)"
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        code = library()
        output, _ = other.communicate(timeout=60)
    finally:
        other.kill()
        other.wait()
    assert other.returncode == 0
    assert output.strip() == str(path_of(code))
    assert len(list(meeting.iterdir())) == 2
    assert list(cache.iterdir()) == [path_of(code)]
    assert_computes(code)


@pytest.mark.usefixtures("quick")
def test_the_folder_belongs_to_the_user_alone(cache):
    before = os.umask(0)
    try:
        path = path_of(library())
    finally:
        os.umask(before)
    assert path.parent == cache
    assert permissions(cache) == 0o700


@pytest.mark.usefixtures("quick")
def test_without_xdg_the_folder_is_that_of_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert path_of(library()).parent == tmp_path / "home/.cache/scyan_exp/compiled"


@pytest.mark.parametrize("mode", [0o770, 0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used(mode, quick, cache):
    """What lies there under the right name is not loaded either."""
    trap = path_of(library())
    trap.unlink()  # it is loaded: what is written must be another file
    trap.write_bytes(b"not a library")
    cache.chmod(mode)
    library.cache_clear()
    path = path_of(library())
    assert path.parent != cache
    assert permissions(path.parent) == 0o700
    assert list(cache.iterdir()) == [trap]
    assert quick() == 2
    assert_computes(library())


def test_a_folder_of_another_user_is_not_used(quick, cache, monkeypatch):
    cache.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert path_of(library()).parent != cache
    assert list(cache.iterdir()) == []
    assert quick() == 1


@pytest.mark.parametrize("place", ["", "scyan_exp", "scyan_exp/compiled"])
def test_where_no_folder_can_be_made_another_is_used(place, quick, tmp_path):
    """A file lies in its place."""
    file = tmp_path / "caches" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    path = path_of(library())
    assert tmp_path not in path.parents
    assert permissions(path.parent) == 0o700
    assert quick() == 1
    assert_computes(library())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_folder_that_cannot_be_written_to_is_not_used(quick, cache):
    cache.mkdir(parents=True, mode=0o500)
    assert path_of(library()).parent != cache
    assert quick() == 1


def test_a_user_without_a_home_trains(quick, monkeypatch):
    """As in a container that runs under a number that has no name."""

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    assert_computes(library())
    assert quick() == 1


def test_a_file_that_cannot_be_loaded_is_made_again(quick, tmp_path, monkeypatch, caplog):
    good = path_of(library())
    other = tmp_path / "others/scyan_exp/compiled" / good.name
    other.parent.mkdir(parents=True, mode=0o700)
    other.write_bytes(good.read_bytes()[:100])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "others"))
    library.cache_clear()
    assert path_of(library()) == other
    assert other.stat().st_size == good.stat().st_size
    assert logging.WARNING not in [level for level, _ in messages(caplog)]


# What the compilers make of it


@pytest.mark.usefixtures("threads")
def test_a_compiler_without_openmp(choose):
    choose(
        f'case " $* " in *" {THREADS[0]} "*) echo unknown option >&2; exit 1;; esac\n'
        'exec "$compiler" "$@" -O0'
    )
    code = library()
    assert b"omp_get_thread_num" not in path_of(code).read_bytes()
    computing, _, x, covariates = make(SMALL, code)
    results = []
    for n_threads in (1, 4):
        torch.set_num_threads(n_threads)
        assert_parity(computing, x, covariates)
        results.append(evaluate(computing, x, covariates))
    assert_same(*results)


def test_a_compiler_that_does_not_know_this_processor(choose):
    choose(
        'case " $* " in *=native*) echo unknown option >&2; exit 1;; esac\n'
        'exec "$compiler" "$@" -O0'
    )
    assert_computes(library())


@pytest.mark.parametrize("target", TARGETS)
def test_every_kind_of_vector(target, tmp_path):
    """Compiled without a warning for 16, 8 and 4 numbers a vector, and right with each of them."""
    options, runs = TARGETS[target]
    if target != "native" and not IS_X86:
        pytest.skip("for x86 processors")
    path = tmp_path / "fused.so"
    units = map(str, SOURCES.glob("*.c"))
    done = subprocess.run(
        [COMPILER, *OPTIONS, *options, *THREADS, "-Wall", "-Wextra", "-o", path, *units, "-lm"],
        capture_output=True,
        text=True,
    )
    if target == "native" and done.returncode:
        pytest.skip("the compiler has another name for this processor")
    assert (done.returncode, done.stderr) == (0, "")
    if not runs:
        pytest.skip("compiles, but this processor does not run it")
    code = CDLL(str(path))
    for case in (
        Case(),
        SMALL,
        Case(n_markers=17, n_covariates=5, n_pops=33, hidden_size=20, n_layers=4, n_cells=1000),
        Case(n_markers=40, n_continuum=3, hidden_size=40, n_hidden_layers=0, n_layers=3),
        Case(n_markers=1, n_pops=1, hidden_size=5, n_layers=3, n_cells=1),
        Case(n_pops=100, n_layers=1),
    ):
        computing = FusedModule(make_module(case), code)
        assert_parity(computing, *make_cells(case))
        assert_parity(computing, *make_cells(case, seed=2), use_temp=True)

"""The C code is compiled by whatever compiler there is; without one nothing is lost but time."""

from __future__ import annotations

import logging
import platform
import subprocess
import time
from ctypes import CDLL

import pytest
import torch

from scyan_exp.fused import FusedModule, compiling, fused
from scyan_exp.fused.compiling import OPTIONS, SOURCES, SWITCH, THREADS, library
from tests.fused.compilers import COMPILER, assert_computes, messages, needs_compiler, path_of
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

pytestmark = needs_compiler

IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}
HAS_AVX2 = IS_X86 and torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}
#: What compilers are asked for, and whether this processor runs what comes of it.
TARGETS = {
    "native": (compiling.PROCESSOR[0], True),
    "haswell": (("-march=haswell",), HAS_AVX2),
    "x86-64": (("-march=x86-64",), True),
}


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

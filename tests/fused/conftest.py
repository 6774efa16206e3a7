"""Random models in float32, cells for them, and the comparison with the plain module."""

from __future__ import annotations

import copy
import ctypes
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scyan_exp.data import load_table
from scyan_exp.fused import FusedModule
from scyan_exp.fused.compiling import SWITCH, library
from scyan_exp.module import ScyanModule
from tests.module import conftest as models
from tests.module.conftest import Shape
from tests.training.conftest import small_cells

COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@dataclass(frozen=True)
class Case(Shape):
    """A random model, of Scyan's default shape unless told otherwise, and a number of cells."""

    n_pops: int = 14
    n_markers: int = 14
    hidden_size: int = 16
    n_hidden_layers: int = 6
    n_layers: int = 7
    n_cells: int = 130
    pi_spread: float = 0.01
    #: Initial weights shrink what they are given; so the networks matter, as trained ones do.
    weight_scale: float = 1.5


#: For tests that go through many models.
SMALL = Case(n_pops=5, n_markers=7, n_covariates=2, hidden_size=6, n_hidden_layers=1, n_layers=4)


def make_module(case: Case, seed: int = 0) -> ScyanModule:
    return models.make_module(case, seed, torch.float32)


def make_cells(case: Case, seed: int = 1) -> tuple[Tensor, Tensor]:
    return models.make_cells(case, case.n_cells, seed, torch.float32, spread=1.0)


def make(case: Case, code: ctypes.CDLL) -> tuple[FusedModule, ScyanModule, Tensor, Tensor]:
    """The compiled module, the plain one behind it, and a batch of cells."""
    module = make_module(case)
    return FusedModule(module, code), module, *make_cells(case)


@dataclass
class Result:
    """What a model says of a batch; the gradient of a parameter is None where it has none."""

    loss: Tensor
    ldj: Tensor
    log_probs: Tensor
    ldj_of_cells: Tensor
    u: Tensor
    gradients: dict[str, Tensor | None]

    def tensors(self) -> dict[str, Tensor]:
        values = {**vars(self), **self.gradients}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def evaluate(
    computing: ScyanModule | FusedModule,
    x: Tensor,
    covariates: Tensor,
    use_temp: bool | Tensor = False,
) -> Result:
    """Loss, its gradients and the probabilities; leaves no gradient behind."""
    module = computing.module if isinstance(computing, FusedModule) else computing
    module.zero_grad()
    loss, ldj = computing.loss_terms(x, covariates, use_temp)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    module.zero_grad()
    with torch.no_grad():
        log_probs, ldj_of_cells, u = computing.compute_probabilities(x, covariates, use_temp)
    return Result(loss.detach(), ldj.detach(), log_probs, ldj_of_cells, u, gradients)


def assert_close(
    ours: Result, theirs: Result, tolerance: float = 1e-5, gradient_tolerance: float = 1e-4
) -> None:
    """Each tensor equals the other but for a tolerance times its largest value, at least 1.

    Gradients have a larger one: those of a ReLU jump at 0, on whose other side rounding may be.
    """
    first, second = ours.tensors(), theirs.tensors()
    assert first.keys() == second.keys()
    for name, expected in second.items():
        relative = gradient_tolerance if name in theirs.gradients else tolerance
        scale = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
        if name in theirs.gradients:  # as exact as the log-probabilities that they come from
            scale = max(scale, 0.01 * theirs.log_probs.abs().max().item())
        torch.testing.assert_close(
            first[name],
            expected,
            rtol=0,
            atol=relative * scale,
            check_dtype=False,
            msg=lambda text, name=name: f"{name}: {text}",
        )


def assert_same(ours: Result, theirs: Result) -> None:
    """Every number is the same to the bit."""
    first, second = ours.tensors(), theirs.tensors()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def assert_parity(
    computing: FusedModule, x: Tensor, covariates: Tensor, use_temp: bool | Tensor = False
) -> None:
    """The compiled module agrees with the plain one in float64, the oracle.

    With that in float32 too, but for the rounding of both, of which its own is the larger.
    """
    oracle = copy.deepcopy(computing.module).double()
    ours = evaluate(computing, x, covariates, use_temp)
    assert {tensor.dtype for tensor in ours.tensors().values()} == {torch.float32}
    assert_close(ours, evaluate(oracle, x.double(), covariates.double(), use_temp))
    plain = evaluate(computing.module, x, covariates, use_temp)
    assert_close(ours, plain, tolerance=1e-4, gradient_tolerance=1e-3)


@pytest.fixture(scope="session")
def code() -> ctypes.CDLL:
    """The compiled code; tests that need it are left out where it cannot be had."""
    compiled = library()
    if compiled is None:
        pytest.skip("no C compiler, or SCYAN_EXP_FUSED=0")
    return compiled


@pytest.fixture
def threads():
    """PyTorch's number of threads is as before after the test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cells(table_file):
    """The small cells of all tests, prepared for training."""
    return small_cells(load_table(table_file))


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

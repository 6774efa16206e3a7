"""What the tests of compiling share."""

from __future__ import annotations

import stat
from ctypes import CDLL
from pathlib import Path

import pytest

from scyan_exp.fused import compiling
from tests.fused.conftest import COMPILER, SMALL, assert_parity, make

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


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

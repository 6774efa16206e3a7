"""A field in each of several processes, so that several commands are struck at a time."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.crash.cases import CASES
from tests.crash.striking import Blow, Call, Field, Struck

#: The signal that a process gets when the one that started it ends.
PR_SET_PDEATHSIG = 1

_field: Field | None = None
_known: dict[str, tuple[list[Call], dict[str, Any]]] = {}


def take(folder: str) -> None:
    """Make the field of this process; its zygote ends with the process, whose pipe it reads."""
    global _field
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _field = Field(Path(folder) / str(os.getpid())).__enter__()
    _field.prepare()


def calls(name: str) -> list[Call]:
    """The calls of a command that nobody strikes."""
    return _undisturbed(name)[0]


def strike(name: str, call: Call, blow: Blow, deadline: float) -> Struck | None:
    """Strike a command; None once it is too late."""
    if time.monotonic() > deadline:
        return None
    assert _field is not None
    return _field.strike(CASES[name], call, blow, _undisturbed(name)[1])


def _undisturbed(name: str) -> tuple[list[Call], dict[str, Any]]:
    if name not in _known:
        assert _field is not None
        _known[name] = _field.undisturbed(CASES[name])
    return _known[name]

"""Compiling the C code for this processor, once per machine.

Without a compiler, the plain PyTorch version of the model is used.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from scyan_exp.files import atomic_path

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent
#: Set to 0 to train with plain PyTorch.
SWITCH = "SCYAN_EXP_FUSED"
#: None of these options changes what NaN and infinity mean: a diverged loss must be seen.
OPTIONS = ("-O3", "-std=gnu11", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-shared")
#: Options that let the compiler use all instructions of the processor; the first one that it knows
#: is taken.
PROCESSOR = (("-march=native",), ("-mcpu=native",))
#: OpenMP; PyTorch has loaded the library already, so its threads are used.
THREADS = ("-fopenmp",)
COMPILE_SECONDS = 120


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled code; None if it is switched off or cannot be compiled."""
    if os.environ.get(SWITCH, "1") == "0" or os.name == "nt":
        return None
    try:
        compiler = _compiler()
        if compiler is None:
            log.info(
                "No C compiler (%s) was found, so the model runs on plain PyTorch, several times "
                "slower on the CPU",
                os.environ.get("CC") or "cc, gcc or clang",
            )
            return None
        return _loaded(compiler)
    except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        log.warning(
            "The model runs on plain PyTorch, several times slower on the CPU: its C code could "
            "not be compiled or loaded (%s)",
            detail.decode(errors="replace").strip() if isinstance(detail, bytes) else detail,
        )
        return None


def _compiler() -> list[str] | None:
    chosen = shlex.split(os.environ.get("CC", ""))
    for command in [chosen] if chosen else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    return None


def _loaded(compiler: list[str]) -> ctypes.CDLL:
    path = _compiled(compiler)
    try:
        return ctypes.CDLL(str(path))
    except OSError:  # damaged, or compiled before the system changed
        path.unlink(missing_ok=True)
        return ctypes.CDLL(str(_compiled(compiler)))


def _compiled(compiler: list[str]) -> Path:
    """The shared library; compiled unless there is one for this code, compiler and processor."""
    processor, macros = _processor(compiler)
    sources = sorted((*SOURCES.glob("*.c"), *SOURCES.glob("*.h")))
    key = hashlib.sha256(repr((compiler, OPTIONS, processor)).encode() + macros)
    for source in sources:
        key.update(source.read_bytes())
    path = _cache_folder() / f"fused-{key.hexdigest()[:24]}.so"
    if not path.exists():
        log.info("Compiling the model for this processor, once (a few seconds)")
        with atomic_path(path) as temporary:
            units = [str(source) for source in sources if source.suffix == ".c"]
            command = [*compiler, *OPTIONS, *processor, "-o", str(temporary), *units, "-lm"]
            try:
                _run([*command, *THREADS])
            except subprocess.CalledProcessError:  # a compiler without OpenMP: one thread
                _run(command)
    return path


def _processor(compiler: list[str]) -> tuple[tuple[str, ...], bytes]:
    """Options for this processor, and the macros that they define: instruction sets, version."""
    ask = ("-dM", "-E", "-x", "c", os.devnull)
    for options in PROCESSOR:
        try:
            return options, _run([*compiler, *options, *ask])
        except subprocess.CalledProcessError:
            continue
    return (), _run([*compiler, *ask])


def _run(command: list[str]) -> bytes:
    done = subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=COMPILE_SECONDS,
    )
    return done.stdout


def _cache_folder() -> Path:
    """A folder that only this user can write to, since code is loaded from it."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "scyan_exp" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return _private_folder()
    return folder if _is_private(folder) and os.access(folder, os.W_OK) else _private_folder()


def _is_private(folder: Path) -> bool:
    status = folder.stat()
    writable_by_others = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return status.st_uid == os.getuid() and not writable_by_others


@functools.cache
def _private_folder() -> Path:
    """A new folder for this process alone, for when the cache cannot be written."""
    holder = tempfile.TemporaryDirectory(prefix="scyan_exp-")
    _KEPT.append(holder)
    return Path(holder.name)


#: A temporary folder is removed when its object is.
_KEPT: list[tempfile.TemporaryDirectory[str]] = []

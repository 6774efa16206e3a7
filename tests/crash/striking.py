"""Striking at a point, going on, and saying what is wrong."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.cases import SETUP, UNTRACKED, Case
from tests.crash.folders import completed, content, damaged, differences
from tests.crash.zygote import FAIL, FULL, HALF, KILL, Ended, Strike, Zygote

#: The process that the command runs in; others are its workers.
LAUNCHER = "0"
#: What a search says of a trial that failed: it is not run again.
FAILED_TRIAL = "and count as trials"
#: Commands that a user would try before giving up.
MOST_TRIES = 3


class Call(NamedTuple):
    """A line of a trace."""

    process: str
    number: int
    call: str
    n_bytes: int
    path: str

    @property
    def shape(self) -> tuple[str, ...]:
        """What calls of the same kind, on the same kind of file, have in common."""
        role = "launcher" if self.process == LAUNCHER else "worker"
        return role, self.call, re.sub(r"-[0-9a-f]{8}|\d+|#.*", "*", self.path)

    @property
    def is_seen(self) -> bool:
        """Whether the file has its name already, so that others see what is written to it."""
        return not re.search(r"/\.[^/]+-[0-9a-f]{8}|/#|\.(tmp|partial)$", self.path)


class Blow(NamedTuple):
    """What happens at a point."""

    name: str
    kind: int
    error: int = 0


BLOWS = {
    "kill": Blow("kill", KILL),
    "half": Blow("half", HALF),
    "full": Blow("full", FULL, errno.ENOSPC),
    "eio": Blow("eio", FAIL, errno.EIO),
    "eintr": Blow("eintr", FAIL, errno.EINTR),
}
#: Which calls the kernel may interrupt.
INTERRUPTIBLE = ("write", "pwrite", "fsync", "fdatasync", "create", "truncate")
WRITES = ("write", "pwrite", "writev", "sendfile")


class Struck(NamedTuple):
    """What became of one blow.

    Attributes:
        blow: its name.
        call: where it was aimed.
        problems: what is wrong.
        said: what the struck command printed.
        code: its exit code.
    """

    blow: str
    call: Call
    problems: list[str]
    said: str
    code: int


class Field:
    """Where commands are struck; a context.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        self._zygote = Zygote(root, SETUP)
        self._shared = root / "shared"

    def __enter__(self) -> Field:
        self._zygote.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._zygote.__exit__(*error)

    def prepare(self) -> None:
        """A model and cells, which all cases share."""
        model = self._shared / "model"
        ended = self._zygote.run(["train", *UNTRACKED, f"hydra.run.dir={model}"], self._root)
        assert ended.code == 0, ended.output
        _write_cells(model, self._shared)

    def undisturbed(self, case: Case) -> tuple[list[Call], dict[str, Any]]:
        """The calls of a command, and what it leaves."""
        folder = self._new("undisturbed")
        trace = self._root / "trace"
        trace.unlink(missing_ok=True)
        arguments = case.begin(folder, self._shared)
        ended = self._zygote.run(arguments, self._root, Strike(str(folder), str(trace)))
        assert ended.code == 0, ended.output
        assert damaged(folder) == []
        return read_trace(trace), content(folder)

    def strike(self, case: Case, call: Call, blow: Blow, expected: dict[str, Any]) -> Struck:
        """Strike a command at a point, go on, and compare."""
        folder = self._new("struck")
        trace = self._root / "trace"
        trace.unlink(missing_ok=True)
        aim = Strike(str(folder), str(trace), call.process, call.number, blow.kind, blow.error)
        ended = self._zygote.run(case.begin(folder, self._shared), self._root, aim)
        made = {(one.process, one.number): one for one in read_trace(trace)}
        met = made.get((call.process, call.number))
        if met is None:  # threads, whose calls are not the same each time
            problems = differences(content(folder), expected)
            return Struck(f"{blow.name} (not reached)", call, problems, ended.output, ended.code)
        problems = [*_problems_of_end(ended, met, blow), *damaged(folder)]
        problems += self._gone_on(case, folder, ended, expected, blow)
        return Struck(blow.name, met, problems, ended.output, ended.code)

    def _gone_on(
        self, case: Case, folder: Path, ended: Ended, expected: dict[str, Any], blow: Blow
    ) -> list[str]:
        problems, said, kept = [], None, completed(folder)
        for _ in range(MOST_TRIES if ended.code != 0 else 0):
            ended = self._zygote.run(case.go_on(folder, self._shared, said), self._root)
            said = ended.output if ended.code == 2 else None
            problems += _tracebacks(ended, "resumed: ")
            if ended.code == 0:
                break
        if case.is_search and blow.kind == FAIL and FAILED_TRIAL in ended.output:
            return problems  # as any error of a trial's
        if ended.code != 0:
            return [*problems, f"resumed: exit code {ended.code}: {_last_line(ended.output)}"]
        now = completed(folder)
        problems += [f"made again: {name}" for name in kept if now.get(name) != kept[name]]
        return problems + differences(content(folder), expected)

    def _new(self, name: str) -> Path:
        shutil.rmtree(self._root / name, ignore_errors=True)
        (self._root / name).mkdir()
        return self._root / name / "folder"  # a search is called as its folder


def read_trace(path: Path) -> list[Call]:
    """The calls of a trace."""
    calls = []
    for line in path.read_text().splitlines() if path.exists() else ():
        process, number, call, n_bytes, name = line.split(" ", 4)
        calls.append(Call(process, int(number), call, int(n_bytes), name))
    return calls


def points(
    calls: Sequence[Call], most_alike: int, brief: bool = False
) -> Iterator[tuple[Call, Blow]]:
    """Where to strike, and how: kill at every call, fail at one of each shape.

    Args:
        calls: of an undisturbed command.
        most_alike: of more calls than so many in a row that write alike, only some are struck.
        brief: of the calls on a file that is yet without its name kill only at the first, which
            leaves what the call before it has left, and at the renaming; a full disk refuses only
            what needs room, and an error of the disk meets the other calls.
    """
    seen: set[tuple[str, ...]] = set()
    for call in _thinned(calls, most_alike):
        if not brief or call.is_seen or call.call == "create":
            yield call, BLOWS["kill"]
        if call.call in WRITES and call.is_seen and call.n_bytes > 1:
            yield call, BLOWS["half"]
        if call.shape in seen:
            continue
        seen.add(call.shape)
        needs_room = call.call in (*WRITES, "create", "mkdir", "link")
        if needs_room or not brief:
            yield call, BLOWS["full"]
        if not needs_room or not brief:
            yield call, BLOWS["eio"]
        kind = (call.shape[0], call.call, call.path.rpartition(".")[2])
        if call.call in INTERRUPTIBLE and not (brief and kind in seen):
            seen.add(kind)
            yield call, BLOWS["eintr"]


def _thinned(calls: Sequence[Call], most_alike: int) -> Iterator[Call]:
    """Of calls in a row that are alike the first, the last, and some between."""
    row: list[Call] = []
    for call in [*calls, None]:
        if row and (call is None or (call.process, *call.shape) != (row[0].process, *row[0].shape)):
            step = max(1, -(-len(row) // most_alike))
            chosen = {*range(0, len(row), step), len(row) - 1}
            yield from (row[i] for i in sorted(chosen))
            row = []
        if call is not None:
            row.append(call)


def _problems_of_end(ended: Ended, call: Call, blow: Blow) -> Iterator[str]:
    """What is wrong with how the struck command ended."""
    yield from _tracebacks(ended, "")
    if ended.n_left:
        yield f"{ended.n_left} processes are left"
    if blow.kind in (KILL, HALF):
        wanted = -9 if call.process == LAUNCHER else 0
        if ended.code != wanted:
            yield f"exit code {ended.code} instead of {wanted}: {_last_line(ended.output)}"
    # HDF5 does not try a truncation again that a signal interrupts, nor SQLite a sync: such a job
    # fails as any other. So does one that meets it at another call than the one aimed at.
    elif blow.error == errno.EINTR and call.call in {*INTERRUPTIBLE} - {"truncate", "fdatasync"}:
        if ended.code != 0:
            yield f"exit code {ended.code} after an interruption: {_last_line(ended.output)}"
    elif ended.code not in (0, 1, 2):
        yield f"exit code {ended.code}: {_last_line(ended.output)}"
    elif ended.code != 0 and not any(word in ended.output for word in _reasons(blow)):
        yield f"does not say why: {_last_line(ended.output)}"


def _reasons(blow: Blow) -> tuple[str, ...]:
    """How the system, or SQLite, says what was wrong."""
    of_sqlite = {errno.ENOSPC: "database or disk is full"}
    return os.strerror(blow.error), of_sqlite.get(blow.error, "disk I/O error")


def _tracebacks(ended: Ended, when: str) -> Iterator[str]:
    if "Traceback" in ended.output:
        yield f"{when}traceback: {_last_line(ended.output)}"


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing was said"


def _write_cells(model: Path, shared: Path) -> None:
    """The cells of a run as new ones, often enough for several blocks: as h5ad and as CSV."""
    import anndata
    import numpy as np
    import pandas as pd

    trained = anndata.read_h5ad(model / "annotated.h5ad")
    rows = np.resize(np.arange(trained.n_obs), 20_000)
    names = [f"cell{i}" for i in range(len(rows))]
    numbers = np.asarray(trained.X)[rows]
    anndata.AnnData(
        numbers, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=trained.var_names)
    ).write_h5ad(shared / "cells.h5ad")
    frame = pd.DataFrame(numbers.round(3), columns=trained.var_names)
    frame.to_csv(shared / "cells.csv", index=False)

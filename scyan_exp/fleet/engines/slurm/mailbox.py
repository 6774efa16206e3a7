"""What launcher and foreman tell each other: two files, each of which only one of them writes.

Lines are added and never changed. This also works on network file systems, where changes by other
machines show late: who opens a file sees all that it held when its writer last closed it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

#: From the launcher: run the job of a folder; interrupt running jobs and leave; leave when idle.
RUN, INTERRUPT, LEAVE = "run", "interrupt", "leave"
#: From the foreman: it works; a job has begun; a job has ended; it will be back; it has left and
#: will not be back.
UP, BEGAN, ENDED, REQUEUED, LEFT = "up", "began", "ended", "requeued", "left"
#: From a launcher to the next one: Slurm has accepted the job.
SUBMITTED = "submitted"

Letter = Mapping[str, Any]


class Letters:
    """A file of letters, one per line.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._rest = b""

    def create(self) -> None:
        """Make the empty file now: a reader that looks too early may miss it for a long time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def add(self, kind: str, **content: Any) -> None:
        """Write a letter; an earlier one that was cut off does not spoil it."""
        line = f"\n{json.dumps({'kind': kind, **content})}\n".encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def new(self) -> Iterator[Letter]:
        """The letters since the last call."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        self._read += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            letter = _letter(line)
            if letter is not None:
                yield letter


class Mailbox:
    """The letters between the launcher and one allocation.

    Args:
        folder: the folder with both files.
        side: which side uses this object: the ``launcher`` or the ``foreman``.
    """

    def __init__(self, folder: Path, side: Literal["launcher", "foreman"]) -> None:
        self.folder = folder
        to_foreman, to_launcher = Letters(folder / "in.jsonl"), Letters(folder / "out.jsonl")
        self.sent, self.received = to_foreman, to_launcher
        if side == "foreman":
            self.sent, self.received = to_launcher, to_foreman

    def create(self) -> None:
        """Make both files."""
        self.sent.create()
        self.received.create()

    def tell(self, kind: str, **content: Any) -> None:
        """Write a letter to the other side."""
        self.sent.add(kind, **content)

    def new(self) -> list[Letter]:
        """The letters that have arrived since the last call."""
        return list(self.received.new())

    def told(self) -> list[Letter]:
        """All letters that this side has written, those of earlier processes included."""
        return list(Letters(self.sent.path).new())


def _letter(line: bytes) -> Letter | None:
    """A letter; None for a line that was cut off."""
    try:
        letter = json.loads(line)
    except ValueError:
        return None
    return letter if isinstance(letter, dict) and "kind" in letter else None

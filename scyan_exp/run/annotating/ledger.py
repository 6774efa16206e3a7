"""``annotated.json``: which files were annotated with which models, and the results."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scyan_exp.files import remove_leftovers, write_json
from scyan_exp.locks import in_turn

#: The name of the file, and its format.
NAME, FORMAT = "annotated.json", 1
#: Bytes at each end of an input that identify it, besides its size and date.
ENDS = 2**20


class Ledger:
    """What the folder of results says about the results in it.

    Args:
        folder: the folder, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    @property
    def outputs(self) -> set[str]:
        """The names of all results."""
        return set(_read(self._path))

    def tidy(self) -> None:
        """Remove what a process left when it was killed while writing the file."""
        with in_turn(self._path):
            remove_leftovers(self._path.parent, NAME)

    def known(self, output: Path, identity: str) -> dict[str, Any] | None:
        """The entry of an output that exists, is whole, and has this identity; else None."""
        entry = _read(self._path).get(output.name)
        if not isinstance(entry, dict) or entry.get("identity") != identity:
            return None
        is_whole = output.is_file() and output.stat().st_size == entry.get("bytes")
        return entry if is_whole else None

    def other_input(self, output: Path, source: Path) -> str | None:
        """The input of an existing output, if it is not this file."""
        entry = _read(self._path).get(output.name)
        name = entry.get("input") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not output.is_file():
            return None
        return None if Path(name).absolute() == source.absolute() else name

    def add(self, output: Path, identity: str, entry: Mapping[str, Any]) -> None:
        """Add a result; other processes may add others at the same time."""
        size = output.stat().st_size
        with in_turn(self._path):
            files = _read(self._path)
            files[output.name] = {**entry, "identity": identity, "bytes": size}
            write_json(self._path, {"format": FORMAT, "files": files})


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        files = values["files"] if values["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return files if isinstance(files, dict) else {}


def identity_of_file(path: Path) -> str:
    """What tells a file from others and from its earlier contents: size, date, and both ends."""
    state = path.stat()
    digest = hashlib.sha256(f"{state.st_size} {state.st_mtime_ns} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(ENDS))
        file.seek(max(0, state.st_size - ENDS), os.SEEK_SET)
        digest.update(file.read(ENDS))
    return digest.hexdigest()

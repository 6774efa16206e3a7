"""Which files a path names: a file, a list, a folder, or a pattern."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scyan_exp.data.sources import existing_file
from scyan_exp.errors import InputError, listed


def find_files(path: str | Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    """The files that paths name; those of a folder or a pattern are sorted.

    Args:
        path: one or several; each is a file, a folder, or a pattern such as ``samples/*.fcs``.
        suffixes: which files of a folder are meant.

    Raises:
        InputError: paths that name no file, or the same file twice.
    """
    given = [path] if isinstance(path, str) else list(path)
    found: list[Path] = []
    problems: list[str] = [] if given else ["the list of files is empty: name at least one"]
    for one in given:
        try:
            found += _files_of(one, suffixes)
        except InputError as error:
            problems.append(str(error))
    times = Counter(file.resolve() for file in found)
    problems += [f"{file}: is named {n} times" for file, n in times.items() if n > 1]
    if problems:
        raise InputError(problems)
    return found


def _files_of(path: str, suffixes: Sequence[str]) -> list[Path]:
    full = Path(path).expanduser()
    if full.is_dir():
        files = sorted(one for one in full.iterdir() if _is_one(one, suffixes))
        if not files:
            raise InputError(
                f"no file in this folder ends in {' or '.join(suffixes)}. It holds: "
                f"{listed(sorted(one.name for one in full.iterdir())) or 'nothing'}",
                where=path,
            )
        return files
    if not full.exists() and glob.has_magic(path):
        names = sorted(glob.glob(str(full), recursive=True))  # noqa: PTH207 (may be absolute)
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            raise InputError("no file matches this pattern", where=path)
        return files
    return [existing_file(path, f"a file ({suffixes[0]}), a folder of them or a pattern")]


def _is_one(path: Path, suffixes: Sequence[str]) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in suffixes and path.is_file() and not hidden


def sample_names(files: Sequence[Path]) -> list[str]:
    """A name for each file: its own without suffix; with folders if two would be equal."""
    names = [file.stem for file in files]
    if len(set(names)) == len(names):
        return names
    full = [file.resolve() for file in files]
    common = os.path.commonpath([file.parent for file in full])
    names = [file.relative_to(common).with_suffix("").as_posix() for file in full]
    if len(set(names)) == len(names):
        return names
    return [file.relative_to(common).as_posix() for file in full]  # a.csv beside a.fcs

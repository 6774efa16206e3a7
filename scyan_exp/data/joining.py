"""Many files of cells as one: the result is in memory, and one file at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.data.file_kinds import FileKind, Peek
from scyan_exp.data.joined import JoinedCells
from scyan_exp.data.markers import match_markers, obs_name, say_matches
from scyan_exp.errors import InputError, listed

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

log = logging.getLogger(__name__)

#: Seed of the cells that are drawn from each file.
SEED = 0


@dataclass(frozen=True)
class Panel:
    """The columns that all files have.

    Attributes:
        names: their names in the result.
        columns: for each file, what it calls each of them.
        n_markers: how many of them, from the first on, go to X; the others go to ``obs``.
    """

    names: list[str]
    columns: list[list[str]]
    n_markers: int

    def without(self, text: Iterable[str]) -> Panel:
        """The panel without columns that hold no numbers in the first file."""
        left_out = set(text)
        kept = [i for i, name in enumerate(self.columns[0]) if name not in left_out]
        return Panel(
            [self.names[i] for i in kept],
            [[mine[i] for i in kept] for mine in self.columns],
            sum(i < self.n_markers for i in kept),
        )


def read_files(
    files: Sequence[Path],
    samples: Sequence[str],
    kind: FileKind,
    markers: Sequence[str] | None = None,
    n_per_file: int | None = None,
    sheet: pd.DataFrame | None = None,
) -> AnnData:
    """Read files one after the other into one ``AnnData``.

    Args:
        files: F files.
        samples: their F names, for ``obs["sample"]``.
        kind: their format.
        markers: the markers of the table; columns that match get their names. None leaves all
            columns as they are.
        n_per_file: draw this many cells from each file, in their order; None for all.
        sheet: F rows with columns for ``obs``.

    Raises:
        InputError: everything that is wrong with the files.
    """
    peeks = _peek_all(files, kind)
    _check_compensation(files, peeks)
    panel = _panel(files, peeks, kind, markers)
    most = [min(peek.n_rows, n_per_file or peek.n_rows) for peek in peeks]
    cells: JoinedCells | None = None
    for i, path in enumerate(files):
        drawing = _Drawing(n_per_file)
        part = kind.read(path, drawing)
        if cells is None:  # which columns hold text is known only now
            panel = panel.without(part.obs.columns)
            cells = JoinedCells(panel.names, panel.n_markers, sum(most))
        cells.add(path, part, panel.columns[i], drawing.rows)
        del part  # otherwise two files would be in memory
    assert cells is not None
    joined = cells.finish(list(samples), sheet)
    if len(files) > 1:
        log.info("%d files with %s cells: %s", len(files), f"{joined.n_obs:,}", listed(samples))
    return joined


class _Drawing:
    """Draws rows of one file: always the same ones, in their order.

    Args:
        wanted: how many; None for all.

    Attributes:
        rows: the rows that were drawn; None for all.
    """

    def __init__(self, wanted: int | None) -> None:
        self._wanted, self.rows = wanted, None

    rows: np.ndarray | None

    def __call__(self, n_rows: int) -> np.ndarray | None:
        if self._wanted is not None and self._wanted < n_rows:
            rng = np.random.default_rng(SEED)
            self.rows = np.sort(rng.choice(n_rows, self._wanted, replace=False))
        return self.rows


def _peek_all(files: Sequence[Path], kind: FileKind) -> list[Peek]:
    peeks, problems = [], []
    for path in files:
        try:
            peeks.append(kind.peek(path))
        except InputError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InputError([str(error) for error in problems])
    return peeks


def _check_compensation(files: Sequence[Path], peeks: Sequence[Peek]) -> None:
    """Refuse files with spillover beside files without it: their cells cannot be compared."""
    without = [f.name for f, peek in zip(files, peeks, strict=True) if peek.compensation == "none"]
    if without and any(peek.compensation in ("file", "before") for peek in peeks):
        raise InputError(
            f"{len(without)} of {len(files)} files have no spillover matrix, the others have or "
            f"are compensated: {listed(without)}. Their cells would not be comparable. Leave these "
            "files out, give a matrix for all (dataset.compensation=matrix.csv), or compensate "
            "none (dataset.compensation=false)"
        )


def _panel(
    files: Sequence[Path], peeks: Sequence[Peek], kind: FileKind, markers: Sequence[str] | None
) -> Panel:
    """The markers of the table in each file, and the other columns that all files have."""
    found = _matched(files, peeks, markers or [])
    own = [
        [names[0] for i, names in enumerate(peek.columns) if i not in mine.values()]
        for peek, mine in zip(peeks, found, strict=True)
    ]
    others, theirs = _others(files, own)
    lost = {name for mine, kept in zip(own, theirs, strict=True) for name in {*mine} - {*kept}}
    if lost:
        log.info("Left out, because not all files have them: %s", listed(sorted(lost)))
    only = kind.only_markers and markers is not None
    n_markers = len(markers or []) + (0 if only else len(others))
    columns = [
        [peek.columns[mine[marker]][0] for marker in markers or []] + kept
        for peek, mine, kept in zip(peeks, found, theirs, strict=True)
    ]
    named = [obs_name(name) for name in others] if only else others
    return Panel([*(markers or []), *named], columns, n_markers)


def _others(files: Sequence[Path], own: Sequence[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The other columns that all files have: their names in the first file, and in each file."""
    found = [_alike(own[0], mine) for mine in own]
    names = [name for name in own[0] if all(name in mine for mine in found)]
    theirs = [[mine[name] for name in names] for mine in found]
    said = {tuple(names)}
    for path, mine in zip(files, theirs, strict=True):
        if tuple(mine) not in said:
            said.add(tuple(mine))
            pairs = zip(names, mine, strict=True)
            loose = [f"{name} = {other}" for name, other in pairs if name != other]
            log.info("%s: other columns matched: %s", path.name, listed(loose, limit=100))
    return names, theirs


def _alike(names: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """The column of each name: the one called so, else the only one that matches it loosely."""
    found, _ = match_markers(names, [[column] for column in columns])
    times = Counter(found.values())
    return {
        name: columns[place]
        for name, place in found.items()
        if columns[place] == name or times[place] == 1
    }


def _matched(
    files: Sequence[Path], peeks: Sequence[Peek], markers: Sequence[str]
) -> list[dict[str, int]]:
    """The column of each marker in each file."""
    found, places, said = [], dict[str, list[int]](), set[tuple[str, ...]]()
    for i, peek in enumerate(peeks):
        mine, problems = match_markers(markers, peek.columns)
        found.append(mine)
        for problem in problems:
            places.setdefault(problem.text, []).append(i)
        names = {marker: peek.columns[place][0] for marker, place in mine.items()}
        if not problems and tuple(names.values()) not in said:
            said.add(tuple(names.values()))
            say_matches(names, files[i].name)
    if places:
        raise InputError(list(_lacking(files, peeks, places)))
    return found


def _lacking(
    files: Sequence[Path], peeks: Sequence[Peek], places: dict[str, list[int]]
) -> Iterable[str]:
    last = list(places)[-1]
    for problem, which in places.items():
        names = listed(str(files[i]) for i in which)
        text = f"{problem} (in {names})" if len(files) > 1 else f"{files[0]}: {problem}"
        one = which[0]
        columns = listed((names[0] for names in peeks[one].columns), limit=60)
        yield f"{text} {files[one].name} has: {columns}" if problem == last else text

"""Spillover between the detectors of a flow cytometer, and how it is removed."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.data.fcs_text import FcsText
from scyan_exp.data.sources import existing_file
from scyan_exp.data.texts import read_text
from scyan_exp.errors import InputError, listed, near_matches

#: Keywords that hold a spillover matrix; the first that a file has is used.
KEYWORDS = ("$SPILLOVER", "SPILLOVER", "$SPILL", "SPILL")
#: The share of a dye's light in another detector is far below this; numbers in percent are above
#: it.
LARGEST_ENTRY = 20.0
#: With a larger condition number, compensated values are little more than rounding errors.
LARGEST_CONDITION = 1e6
#: What programs put before the name of a channel that they have compensated.
COMPENSATED_PREFIX = "Comp-"
#: Events compensated at a time.
CHUNK = 200_000


@dataclass(frozen=True)
class Spillover:
    """The share of each dye's signal that each detector sees.

    Attributes:
        channels: K detectors, ``$PnN``.
        matrix: (K, K) float64; a row per dye, 1 in its own detector.
    """

    channels: tuple[str, ...]
    matrix: np.ndarray

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool(np.array_equal(self.matrix, np.eye(len(self.channels))))

    def plain(self) -> dict[str, Any]:
        """The matrix as lists of names and numbers."""
        return {"channels": list(self.channels), "matrix": self.matrix.tolist()}

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> Spillover:
        """The matrix that :meth:`plain` described, also after it was stored in a file."""
        channels = tuple(str(name) for name in values["channels"])
        return cls(channels, np.asarray(values["matrix"], np.float64))


def spillover_of(text: FcsText) -> Spillover | None:
    """The matrix of an FCS file; None without one, or if it changes nothing.

    Raises:
        InputError: its keyword holds no matrix, or one that cannot be used to compensate.
    """
    name = next((name for name in KEYWORDS if (text.exact(name) or "").strip()), None)
    if name is None:
        return None
    where = f"{text.path}, keyword {name}"
    parts = [part.strip() for part in str(text.exact(name)).split(",")]
    size = int(parts[0]) if parts[0].isascii() and parts[0].isdigit() else 0
    if len(parts) != 1 + size + size**2 or not size:
        raise InputError(
            f"expected a number K, K channels and K x K numbers, found {len(parts)} parts that "
            f"begin with {parts[0][:20]!r}. {_REMEDY}",
            where=where,
        )
    matrix = _numbers([parts[1 + size * (i + 1) : 1 + size * (i + 2)] for i in range(size)], where)
    spillover = Spillover(tuple(parts[1 : 1 + size]), matrix)
    _check(spillover, where)
    return None if spillover.is_identity else spillover


def read_matrix(path: str | Path) -> Spillover:
    """Read a matrix: a header of channels, then a row per dye, which may begin with its name.

    Raises:
        InputError: there is no such file, or no matrix in it that compensates.
    """
    path = existing_file(path, "a CSV with a spillover matrix")
    lines = [line for line in read_text(path).splitlines() if line.strip(" ,;\t")]
    separator = max(",;\t", key=lines[0].count) if lines else ","
    header, *rows = [
        [cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)
    ] or [[]]
    shift = int(bool(rows) and bool(rows[0]) and not _is_number(rows[0][0]))
    names = header[1:] if shift and rows and len(header) == len(rows[0]) else header
    numbers = [row[shift:] for row in rows]
    if not names or len(numbers) != len(names) or any(len(row) != len(names) for row in numbers):
        raise InputError(
            f"expected as many rows as channels, found {len(rows)} rows below the channels "
            f"{listed(names) or '(none)'}",
            where=str(path),
        )
    spillover = Spillover(tuple(names), _numbers(numbers, str(path)))
    given = [row[0] for row in rows] if shift else names
    if shift and set(given) == set(names):  # rows in another order than columns
        order = [given.index(name) for name in names]
        spillover = Spillover(tuple(names), spillover.matrix[order])
    _check(spillover, str(path))
    return spillover


def compensate(events_NC: np.ndarray, names: Sequence[str], spillover: Spillover) -> None:
    """Remove the spillover from events (N, C), in place; ``names`` are those of the channels.

    Raises:
        InputError: the events lack channels of the matrix.
    """
    columns = columns_of(names, spillover)
    inverse = np.linalg.inv(spillover.matrix)
    for start in range(0, len(events_NC), CHUNK):
        block = events_NC[start : start + CHUNK]
        block[:, columns] = block[:, columns].astype(np.float64) @ inverse


def is_compensated(names: Sequence[str], spillover: Spillover) -> bool:
    """Whether the names of the channels say that they were compensated before.

    Programs that rename the channels may also rename those of the matrix.
    """
    there, prefix = {name.casefold() for name in names}, COMPENSATED_PREFIX.casefold()

    def is_done(name: str) -> bool:
        if name.startswith(prefix):
            return name in there
        return prefix + name in there and name not in there

    return all(is_done(name.casefold()) for name in spillover.channels)


def columns_of(names: Sequence[str], spillover: Spillover) -> list[int]:
    """Where the channels of a matrix stand among ``names``.

    Raises:
        InputError: some are not there.
    """
    places = {name.casefold(): i for i, name in enumerate(names)}
    places |= {name: i for i, name in enumerate(names)}
    found = [places.get(name, places.get(name.casefold())) for name in spillover.channels]
    lacking = [n for n, i in zip(spillover.channels, found, strict=True) if i is None]
    if lacking:
        hints = [f"{name!r}.{near_matches(name, names)}" for name in lacking]
        raise InputError(
            f"the spillover matrix names channels that the file lacks: {' '.join(hints)} "
            f"It has: {listed(names, limit=60)}. {_REMEDY}"
        )
    return [i for i in found if i is not None]


_REMEDY = "Set dataset.compensation to false (no compensation), or to a CSV with the right matrix"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(rows: Sequence[Sequence[str]], where: str) -> np.ndarray:
    try:
        return np.array([[float(cell) for cell in row] for row in rows])
    except ValueError as error:
        raise InputError(
            f"the spillover matrix holds something else than numbers ({error}). {_REMEDY}", where
        ) from None


def _check(spillover: Spillover, where: str) -> None:
    matrix, names = spillover.matrix, spillover.channels
    problems = []
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        problems.append(f"the spillover matrix names channels twice: {listed(repeated)}")
    if not np.isfinite(matrix).all():
        problems.append(f"the spillover matrix holds NaN or infinite numbers. {_REMEDY}")
    elif np.abs(matrix).max() > LARGEST_ENTRY:
        problems.append(
            f"the spillover matrix reaches {np.abs(matrix).max():g}: expected shares with 1 on the "
            f"diagonal, not percent. {_REMEDY}"
        )
    elif (np.diag(matrix) <= 0).any():
        bad = [names[i] for i in np.flatnonzero(np.diag(matrix) <= 0)]
        problems.append(
            f"the spillover matrix is not above 0 on the diagonal at {listed(bad)}. {_REMEDY}"
        )
    elif not _condition(matrix) < LARGEST_CONDITION:
        problems.append(
            "the spillover matrix is singular, or nearly: some channels are mixtures of others. "
            + _REMEDY
        )
    if problems:
        raise InputError(problems, where=where)


def _condition(matrix: np.ndarray) -> float:
    value = float(np.linalg.cond(matrix))
    return math.inf if math.isnan(value) else value

"""How far the annotation of a file is, from where it goes on after it was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.documents import read_json
from scyan_exp.files import write_json

#: The format of the note.
FORMAT = 2


@dataclass(frozen=True)
class Partial:
    """The note ``<output>.partial.json`` beside ``<output>.partial``.

    Attributes:
        identity: the identity of input, models and settings.
        done: how many cells are written, from the first on.
        counts: number of cells without a population, then of each population, so far.
        size: how many bytes of the file are on the disk for certain.
        places: what else this kind of file needs to go on.
    """

    identity: str
    done: int = 0
    counts: list[int] = field(default_factory=list)
    size: int = 0
    places: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, output: Path, identity: str) -> Partial | None:
        """The note of an output that was cut off; None if there is none with this identity."""
        try:
            values = read_json(note_of(output))
            if values.pop("format") != FORMAT:
                return None
            found = cls(**values)
            is_there = file_of(output).stat().st_size >= found.size
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return found if is_there and found.identity == identity else None

    def after(self, start: int, n_cells: int, counts: Sequence[int] | np.ndarray) -> Partial:
        """The note after a block is written.

        Args:
            start: its first cell.
            n_cells: the number of its cells.
            counts: the number for each population.

        Raises:
            RuntimeError: the block does not begin where the last one ended, so there would be a
                hole.
        """
        if start != self.done:
            raise RuntimeError(f"cell {start} is not the next to be written: {self.done} are done")
        total = np.add(self.counts or 0, counts).tolist()
        return replace(self, done=start + n_cells, counts=total)

    def check_whole(self, n_cells: int) -> None:
        """Make sure that all cells of the input are written and counted.

        Raises:
            RuntimeError: they are not.
        """
        if self.done != n_cells or sum(self.counts) != n_cells:
            raise RuntimeError(
                f"{self.done} cells are written and {sum(self.counts)} counted; the input has "
                f"{n_cells}"
            )

    def write(self, output: Path) -> None:
        """Write the note atomically."""
        write_json(note_of(output), {"format": FORMAT, **asdict(self)})


def file_of(output: Path) -> Path:
    """The path of the file that becomes the output when it is whole."""
    return output.with_name(f"{output.name}.partial")


def note_of(output: Path) -> Path:
    """The path of the note beside it."""
    return output.with_name(f"{output.name}.partial.json")


def finish(output: Path) -> None:
    """Turn the file, which is whole, into the output."""
    # In this order: a note without its file would be taken for the next file's note.
    note_of(output).unlink(missing_ok=True)
    file_of(output).replace(output)


def forget(output: Path) -> None:
    """Remove what an annotation that was cut off left."""
    for path in (note_of(output), file_of(output)):
        path.unlink(missing_ok=True)

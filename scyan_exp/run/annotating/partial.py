"""How far the annotation of a file is: what a cut-off one goes on from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scyan_exp.files import write_json

#: Of the note beside a file that is being written.
FORMAT = 1


@dataclass
class Partial:
    """The note ``<output>.partial.json`` beside ``<output>.partial``.

    Attributes:
        identity: of what it is: input, models, settings.
        done: cells that are written, from the first on.
        counts: cells of each population so far; the first number is that of no population.
        places: what else is needed to go on, as the kind of file has it.
    """

    identity: str
    done: int = 0
    counts: list[int] = field(default_factory=list)
    places: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, output: Path, identity: str) -> Partial | None:
        """The note of an output that was cut off; None if there is none of this very identity."""
        try:
            values = json.loads(note_of(output).read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT or not file_of(output).is_file():
                return None
            found = cls(**values)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return found if found.identity == identity else None

    def write(self, output: Path) -> None:
        """Write the note atomically."""
        write_json(note_of(output), {"format": FORMAT, **asdict(self)})


def file_of(output: Path) -> Path:
    """The file that becomes the output when it is whole."""
    return output.with_name(f"{output.name}.partial")


def note_of(output: Path) -> Path:
    """The note beside it."""
    return output.with_name(f"{output.name}.partial.json")


def forget(output: Path) -> None:
    """Remove what an annotation that was cut off has left."""
    for path in (note_of(output), file_of(output)):
        path.unlink(missing_ok=True)

"""What all ways to annotate a file have in common, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from scyan_exp.data.fcs import Compensation
from scyan_exp.data.markers import match_markers
from scyan_exp.errors import InputError, listed
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.ledger import identity_of_file
from scyan_exp.run.annotating.overlap import Busy
from scyan_exp.run.annotating.plan import Job

#: Takes the warnings about the cells of a file.
Warn = Callable[[str], object]
#: Takes the share of the cells that has just been annotated.
Advance = Callable[[float], object]


@dataclass(frozen=True)
class Task:
    """A file, and how it is annotated.

    Attributes:
        job: the file, and where its result goes.
        annotator: the models.
        compensation: how an FCS file is compensated.
        known: what is known about all cells of the file, by column of ``obs``.
        seen: the identity of the file when it was first read; None if it may change.
    """

    job: Job
    annotator: Annotator
    compensation: Compensation = "auto"
    known: Mapping[str, Any] = field(default_factory=dict)
    seen: str | None = None

    def check_unchanged(self) -> None:
        """Make sure that the file has not changed.

        Raises:
            InputError: it has changed, so what was read may be a mix of two files.
        """
        try:
            is_same = self.seen in (None, identity_of_file(self.job.source))
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise InputError("changed while it was annotated: annotate it again")

    def with_known(self, obs: pd.DataFrame) -> pd.DataFrame:
        """Columns with what else is known about the file, which overrides what the file says."""
        columns = {name: _constant(value, len(obs)) for name, value in self.known.items()}
        return obs.assign(**columns)

    def lacking(self, columns: list[str]) -> list[str]:
        """Covariates that are neither columns of the file nor known in another way."""
        return [
            key for key in self.annotator.covariates if key not in self.known and key not in columns
        ]


class Way(Protocol):
    """A way to annotate a file."""

    def problems(self) -> list[str]:
        """Everything that is wrong with the file.

        Raises:
            InputError: it cannot be read at all.
        """

    def annotate(self, identity: str, warn: Warn, advance: Advance) -> tuple[list[int], Busy]:
        """Write the result.

        Args:
            identity: of input, models and settings.
            warn: takes warnings about the cells.
            advance: takes the share of the cells that has just been annotated.

        Returns:
            The number of cells without a population, then of each population; and how the time was
            spent.

        Raises:
            InputError: an expression is not finite; no part of the result is left.
        """


def marker_places(markers: list[str], columns: list[list[str]]) -> tuple[dict[str, int], list[str]]:
    """The column of each marker, matched exactly or loosely, and what is wrong with the others.

    Args:
        markers: the markers of the model.
        columns: the names by which each column of the file is known.
    """
    found, mismatches = match_markers(markers, columns)
    problems = [one.text for one in mismatches]
    if problems:
        problems[-1] += f" The data has: {listed((names[0] for names in columns), limit=60)}"
    return found, problems


def _constant(value: Any, n_cells: int) -> Any:
    if isinstance(value, str):
        return pd.Categorical.from_codes(np.zeros(n_cells, np.int8), categories=[value])
    return np.full(n_cells, value)

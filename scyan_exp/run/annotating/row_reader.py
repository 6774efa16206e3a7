"""From rows of a file to what the models need: numbers and covariates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scyan_exp.run.annotating.row_sources import RowSource
from scyan_exp.run.annotating.ways import Task, marker_places


class RowReader:
    """Takes from rows what the models need.

    Args:
        source: the file.
        task: what is done with it.

    Attributes:
        needed: the columns that are used.
    """

    def __init__(self, source: RowSource, task: Task) -> None:
        self._task = task
        covariates = task.annotator.covariates
        names = [name for name in source.names if name not in covariates]
        places, _ = marker_places(task.annotator.markers, [[name] for name in names])
        self._columns = {marker: names[places[marker]] for marker in task.annotator.markers}
        self._covariates = [key for key in covariates if key not in task.known]
        self.needed = list(dict.fromkeys([*self._columns.values(), *self._covariates]))

    def numbers(self, frame: pd.DataFrame, start: int = 0) -> tuple[np.ndarray, list[str]]:
        """Expressions (B, M), NaN where there is no number; and what is there instead.

        Args:
            frame: B rows.
            start: the number of the first of them, for messages.
        """
        raw = np.empty((len(frame), len(self._columns)), np.float32)
        problems: list[str] = []
        for m, (marker, name) in enumerate(self._columns.items()):
            column = frame[name]
            numbers = pd.to_numeric(column, errors="coerce")
            raw[:, m] = numbers.to_numpy(np.float32, na_value=np.nan)
            if column.dtype == object:
                stray = numbers.isna() & ~column.str.strip().str.lower().isin(["", "nan", "na"])
                problems += [
                    f"row {start + i + 2}: expected a number in column {name!r}"
                    f"{'' if name == marker else f' (marker {marker!r})'}, found {column.iloc[i]!r}"
                    for i in np.flatnonzero(stray)[:5]
                ]
        return raw, problems

    def covariates(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns of the covariates, with what else is known about the file."""
        return self._task.with_known(frame[self._covariates].reset_index(drop=True))

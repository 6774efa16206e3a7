"""Cells of several files, copied one after the other into memory that is taken once for all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.data.file_kinds import Part
from scyan_exp.data.sources import read_expressions
from scyan_exp.errors import InputError, listed

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

#: The column of ``obs`` with the name of each cell's file.
SAMPLE = "sample"


class JoinedCells:
    """The cells read so far.

    Args:
        names: names of the columns of numbers.
        n_markers: how many of them, from the first on, go to X; the others go to ``obs``.
        most: the number of cells, or a few more.
    """

    def __init__(self, names: Sequence[str], n_markers: int, most: int) -> None:
        self._markers, self._others = list(names[:n_markers]), list(names[n_markers:])
        # The system gives memory only when it is written to.
        self._x = np.empty((most, n_markers), np.float32)
        self._more = np.empty((most, len(self._others)), np.float32)
        self._obs: list[pd.DataFrame] = []
        self._rows: list[np.ndarray | None] = []
        self._done: list[dict[str, Any]] = []
        self._var: pd.DataFrame | None = None
        self._n = 0

    def add(
        self, path: Path, part: Part, columns: Sequence[str], rows: np.ndarray | None = None
    ) -> None:
        """Add the cells of a file, and close it.

        Args:
            path: the file.
            part: its cells.
            columns: what the file calls the names.
            rows: which of the file's cells these are, if not all.

        Raises:
            InputError: a column that holds numbers in other files holds text in this one, or the
                file has grown since it was looked at.
        """
        places = part.var.index.get_indexer(pd.Index(columns))
        text = [name for name, place in zip(columns, places, strict=True) if place < 0]
        if text:
            raise InputError(
                [f"column {name!r} holds text here, and numbers in other files" for name in text],
                where=str(path),
            )
        stop, n_markers = self._n + len(part.obs), len(self._markers)
        if stop > len(self._x):
            raise InputError("changed while it was read: try again", where=str(path))
        _copy(part, columns[:n_markers], self._x[self._n : stop])
        _copy(part, columns[n_markers:], self._more[self._n : stop])
        if self._var is None:
            self._var = part.var.iloc[places[:n_markers]].set_axis(pd.Index(self._markers))
        self._obs.append(self._columns_of(part))
        self._rows.append(rows)
        self._done.append(dict(part.compensation))
        self._n = stop
        if not isinstance(part.x, np.ndarray) and part.x.isbacked:
            part.x.file.close()

    def _columns_of(self, part: Part) -> pd.DataFrame:
        """``obs`` of a file; a column of text that is empty in this file looked like numbers."""
        obs = part.obs.copy()
        for name in self._obs[0].columns if self._obs else []:
            if name not in obs and name in part.var.index:
                values = np.empty((len(obs), 1), np.float32)
                _copy(part, [name], values)
                obs[name] = values[:, 0]
        text = [name for name in obs if obs[name].dtype == object]
        return obs.astype(dict.fromkeys(text, "category"))

    def finish(self, samples: list[str], sheet: pd.DataFrame | None) -> AnnData:
        """The cells; ``samples`` are the names of the files, ``sheet`` has a row per file.

        Raises:
            InputError: ``sheet`` has a column that the files have as well.
        """
        import anndata

        codes = np.repeat(np.arange(len(samples)), [len(obs) for obs in self._obs])
        columns = self._described()
        sheet = pd.DataFrame(index=range(len(samples))) if sheet is None else sheet
        own = [name for name in sheet if name in columns or name in self._others]
        if own:
            raise InputError(
                f"the files have columns of the same name as dataset.metadata: {listed(own)}. "
                "Rename them there"
            )
        given = {name: _spread(sheet[name], codes) for name in sheet}
        first = {SAMPLE: pd.Categorical.from_codes(codes, samples)}
        # A frame around the array as it is: columns of one block need no copy.
        obs = pd.DataFrame(self._more[: self._n], columns=self._others, copy=False)
        for i, (name, values) in enumerate({**first, **columns, **given}.items()):
            if name in obs:
                log.info("obs[%r] is a channel of the files, not their names", name)
                continue
            obs.insert(i, name, values)
        obs.index = pd.Index(self._names(samples), dtype=object)
        uns = {"compensation": done} if (done := self._compensation()) else {}
        return anndata.AnnData(self._x[: self._n], obs=obs, var=self._var, uns=uns)

    def _names(self, samples: Sequence[str]) -> list[str]:
        """A name for each cell that is unique over all files: its sample, and its row there."""
        parts = zip(samples, self._rows, self._obs, strict=True)
        return [
            f"{sample}_{row}"
            for sample, rows, obs in parts
            for row in (range(len(obs)) if rows is None else rows.tolist())
        ]

    def _described(self) -> dict[str, Any]:
        """The columns of ``obs`` that all files have, from their files."""
        first = self._obs[0]
        common = [name for name in first if all(name in obs for obs in self._obs)]
        lost = sorted({str(name) for obs in self._obs for name in obs} - {*map(str, common)})
        if lost:
            log.info("Left out of obs, because not all files have them: %s", listed(lost))
        return {str(name): _behind_each_other([obs[name] for obs in self._obs]) for name in common}

    def _compensation(self) -> dict[str, Any]:
        """How all files were compensated; ``file`` if some had a matrix of their own."""
        by_kind = {done.get("kind"): done for done in self._done}
        done, n_files = by_kind.get("file", self._done[0]), len(self._done)
        if done.get("kind") == "file":
            of = _each(n_files) if len(by_kind) == 1 else "each file that was not before"
            log.info("Compensated by the spillover matrix of %s", of)
        elif done.get("kind") == "matrix":
            channels = listed(done["channels"], limit=60)
            log.info("Compensated by the matrix of dataset.compensation: %s", channels)
        elif done.get("kind") == "before":
            log.info("Compensated before, by the names of the channels")
        elif done:
            log.info("Not compensated: no spillover matrix, or dataset.compensation=false")
        return done


def _each(n_files: int) -> str:
    return "the file" if n_files == 1 else f"each of the {n_files} files"


def _copy(part: Part, columns: Sequence[str], out: np.ndarray) -> None:
    """Numbers of a file into the result; column by column where that needs no memory."""
    if not columns:
        return
    if isinstance(part.x, np.ndarray):
        for j, place in enumerate(part.var.index.get_indexer(pd.Index(columns))):
            out[:, j] = part.x[:, place]
    else:
        out[:] = read_expressions(part.x, columns)


def _spread(values: pd.Series, codes: np.ndarray) -> Any:
    """A value per file, repeated for each of its cells."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy()[codes]
    return pd.Categorical(values)[codes]


def _behind_each_other(parts: Sequence[pd.Series]) -> Any:
    """The parts of one column as a whole; names stay categories, which take little memory."""
    if not all(isinstance(part.dtype, pd.CategoricalDtype) or part.isna().all() for part in parts):
        return pd.concat(parts, ignore_index=True).to_numpy()
    whole = [pd.Categorical(part if part.notna().any() else part.astype(object)) for part in parts]
    if len({part.categories.dtype for part in whole}) > 1:  # numbers here and names there
        whole = [pd.Categorical(pd.Series(part).map(str, na_action="ignore")) for part in whole]
    return pd.api.types.union_categoricals(whole, ignore_order=True)

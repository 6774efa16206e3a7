"""The cells that have another population in one run than in another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.errors import InputError, listed
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

#: What is said of cells that fit no population.
UNANNOTATED = "(unannotated)"


@dataclass(frozen=True)
class Changes:
    """How two runs, A and B, annotate the cells that both have.

    Attributes:
        n_a: cells of A.
        n_b: cells of B.
        moves: a row a pair of populations, most cells first: ``from`` in A, ``to`` in B,
            ``cells``, and their ``share`` of the common cells.
        counts: (A's, B's) number of common cells for each pair of populations, equal ones too.
        only_a: populations of A's table that are not in B's.
        only_b: populations of B's table that are not in A's.
    """

    n_a: int
    n_b: int
    moves: pd.DataFrame
    counts: pd.DataFrame
    only_a: list[str]
    only_b: list[str]

    @property
    def n_common(self) -> int:
        """Cells that both have."""
        return int(self.counts.to_numpy().sum())

    @property
    def n_changed(self) -> int:
        """Cells whose populations differ."""
        return int(self.moves["cells"].sum())


def read_changes(a: Path, b: Path) -> Changes:
    """Compare the annotations of two runs, cell by cell; cells are matched by their names.

    Args:
        a: the folder of a run, a job, or a consensus.
        b: of another one.

    Raises:
        InputError: an annotation is gone, or the cells cannot be matched, or none is in both.
    """
    of_a, of_b = _read(a), _read(b)
    in_a, in_b = _matched(of_a, of_b, a, b)
    counts = _counts(of_a.iloc[in_a], of_b.iloc[in_b])
    categories = [list(one.cat.categories) for one in (of_a, of_b)]
    return Changes(
        len(of_a),
        len(of_b),
        _moves(counts),
        counts,
        [name for name in categories[0] if name not in categories[1]],
        [name for name in categories[1] if name not in categories[0]],
    )


def _read(folder: Path) -> pd.Series:
    """(N,) the populations of the cells, by the names of the cells."""
    import h5py
    import pandas as pd
    from anndata.io import read_elem

    from scyan_exp.results.columns import key_of

    path = RunFolder(folder).annotated
    if not path.is_file():
        record = RunRecord.of_run(folder)
        why = why_gone(folder, path) or f"it is {record.status}"
        raise InputError(f"no {path.name} in this run ({why})", where=str(folder))
    try:
        with h5py.File(path) as file:
            obs = file["obs"]
            names = read_elem(obs[obs.attrs["_index"]])
            populations = read_elem(obs[key_of(file)])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"not annotated cells ({error})", where=str(path)) from error
    return pd.Series(pd.Categorical(populations), index=pd.Index(names.astype(str)))


def _matched(of_a: pd.Series, of_b: pd.Series, a: Path, b: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the common cells in A and in B."""
    if of_a.index.equals(of_b.index):  # also where names are not unique: the file is the same
        both = np.arange(len(of_a))
        return both, both
    repeated = [
        f"{folder}: names of cells occur more than once ({listed(names, 3)}): with other cells "
        "than these they cannot be matched"
        for folder, one in ((a, of_a), (b, of_b))
        if len(names := one.index[one.index.duplicated()].unique())
    ]
    if repeated:
        raise InputError(repeated)
    position = of_b.index.get_indexer(of_a.index)
    in_a = np.flatnonzero(position >= 0)
    if not len(in_a):
        raise InputError(
            f"no cell is in both {a} and {b}: expected runs of the same cells (their names are "
            f"such as {of_a.index[0]!r} and {of_b.index[0]!r})"
        )
    return in_a, position[in_a]


def _counts(of_a: pd.Series, of_b: pd.Series) -> pd.DataFrame:
    """The number of cells of each pair of populations, A's in rows."""
    import pandas as pd

    codes, names = [], []
    for one in (of_a, of_b):
        categories = list(one.cat.categories)
        codes.append(np.where(one.cat.codes < 0, len(categories), one.cat.codes).astype(np.int64))
        names.append([*categories, UNANNOTATED])
    n_b = len(names[1])
    pairs = np.bincount(codes[0] * n_b + codes[1], minlength=len(names[0]) * n_b)
    return pd.DataFrame(pairs.reshape(-1, n_b), index=names[0], columns=names[1])


def _moves(counts: pd.DataFrame) -> pd.DataFrame:
    """The pairs of different populations that have cells, most cells first."""
    import pandas as pd

    n_common = int(counts.to_numpy().sum())
    rows = [
        (before, after, int(n), int(n) / n_common)
        for before, row in counts.iterrows()
        for after, n in row.items()
        if n and before != after
    ]
    table = pd.DataFrame(rows, columns=["from", "to", "cells", "share"])
    return table.sort_values("cells", ascending=False, kind="stable", ignore_index=True)

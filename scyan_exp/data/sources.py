"""Reading cells from files into AnnData, and choosing some of them."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.errors import InputError, listed, near_matches

if TYPE_CHECKING:
    from anndata import AnnData

#: Rows of X read at a time, in bytes of float32.
CHUNK_BYTES = 64 * 2**20


def read_h5ad(path: str | Path) -> AnnData:
    """Open an ``.h5ad`` file, leaving X on disk: files larger than memory are fine.

    Raises:
        InputError: there is no such file, or it is no h5ad.
    """
    import anndata

    path = existing_file(path, "an .h5ad file")
    try:
        with warnings.catch_warnings():  # repeated markers are reported with the cells
            warnings.filterwarnings("ignore", message="Variable names are not unique")
            return anndata.read_h5ad(path, backed="r")
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"not an .h5ad file that anndata can read ({reason})", where=str(path)
        ) from error


def read_csv(path: str | Path, obs_columns: Sequence[str] = ()) -> AnnData:
    """Read a CSV with a row a cell; columns of text, and ``obs_columns``, become ``obs``.

    Raises:
        InputError: there is no such file, or it has no rows or no columns of numbers.
    """
    import anndata

    path = existing_file(path, "a CSV file of cells")
    try:
        with path.open(encoding="utf-8-sig") as file:
            separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            header = next(csv.reader(file, delimiter=separator), [])
        with warnings.catch_warnings():
            # Rows longer than the header would shift its names by a column, with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=separator, encoding="utf-8-sig", low_memory=False, index_col=False
            )
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise InputError(f"not a CSV of cells ({str(error).strip()})", where=str(path)) from error
    text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    obs_names = [name for name in frame if name in {*text, *obs_columns}]
    markers = [name for name in frame if name not in obs_names]
    problems = [
        f"column {name!r} stands {n} times: rename or drop all but one"
        for name, n in Counter(name for name in header if name).items()
        if n > 1
    ]
    unasked = [name for name in text if name not in obs_columns]
    problems += [p for name in unasked for p in _stray_text(frame[name])]
    if not len(frame) or not markers:
        problems.append(
            f"found {len(frame)} rows and {len(markers)} columns of numbers; expected a row a "
            "cell and a column a marker"
        )
    if problems:
        raise InputError(problems, where=str(path))
    obs = frame[obs_names].set_axis(frame.index.astype(str))
    return anndata.AnnData(
        frame[markers].to_numpy(np.float32), obs=obs, var=pd.DataFrame(index=markers)
    )


def _stray_text(column: pd.Series) -> list[str]:
    """Cells of text in a column that otherwise holds numbers: a typing error, not a label."""
    numbers = pd.to_numeric(column, errors="coerce")
    stray = column.notna() & numbers.isna()
    if numbers.notna().sum() <= stray.sum():
        return []
    rows = [f"row {i + 2} ({column.iloc[i]!r})" for i in np.flatnonzero(stray)]
    return [f"column {column.name}: expected numbers, found text in {listed(rows, limit=5)}"]


def existing_file(path: str | Path, expected: str) -> Path:
    """The path of a file that exists.

    Raises:
        InputError: it does not; the message names files of similar names beside it.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise InputError(f"is a folder; expected {expected}", where=str(path))
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = near_matches(path.name, beside)
        raise InputError(f"no such file (expected {expected}).{hint}", where=str(path))
    return path


def select_cells(adata: AnnData, subset: Mapping[str, Any] | None) -> AnnData:
    """Keep the cells whose ``obs`` columns have the given values (one or a list of them).

    Raises:
        InputError: an unknown column, an unknown value, or no cell left.
    """
    if not subset:
        return adata
    problems, keep = [], np.ones(adata.n_obs, bool)
    for key, wanted in subset.items():
        if key not in adata.obs:
            problems.append(
                f"dataset.subset: the cells have no column {key!r}."
                f"{near_matches(key, adata.obs)} They have: {listed(adata.obs) or 'none'}"
            )
            continue
        values = adata.obs[key].astype(str)
        names = [str(w) for w in (wanted if isinstance(wanted, Sequence) else [wanted])]
        names = [str(wanted)] if isinstance(wanted, str) else names
        for name in sorted(set(names) - set(values)):
            problems.append(
                f"dataset.subset: no cell has {key}={name!r}."
                f"{near_matches(name, values.unique())} Found: {listed(sorted(values.unique()))}"
            )
        keep &= values.isin(names).to_numpy()
    if not problems and not keep.any():
        problems.append(f"dataset.subset: no cell satisfies all of {subset}")
    if problems:
        raise InputError(problems)
    chosen = adata[keep]
    return chosen.to_memory() if chosen.isbacked else chosen.copy()


def read_expressions(adata: AnnData, markers: Sequence[str]) -> np.ndarray:
    """Expressions of some markers as a dense float32 array (N, M), in the order asked for.

    Dense, sparse and integer X are read alike; X on disk is read in chunks of rows.
    """
    columns = adata.var_names.get_indexer(pd.Index(markers))
    x = adata.X
    if not isinstance(x, np.ndarray) and not hasattr(x, "chunks"):  # sparse, or sparse on disk
        x = x.to_memory() if hasattr(x, "to_memory") else x
        return np.asarray(x[:, columns].toarray(), np.float32)
    out = np.empty((adata.n_obs, len(columns)), np.float32)
    rows = max(1, CHUNK_BYTES // (4 * max(1, adata.n_vars)))
    for start in range(0, adata.n_obs, rows):
        out[start : start + rows] = x[start : start + rows][:, columns]
    return out

"""Reading cells from files into AnnData, and selecting some of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scyan_exp.data.layers import find_layer, layers_of, no_x
from scyan_exp.errors import InputError, listed, near_matches

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: Bytes of X, as float32, that are read at a time.
CHUNK_BYTES = 64 * 2**20


def read_h5ad(path: str | Path, layer: str | None = None) -> AnnData:
    """Open an ``.h5ad`` file, leaving X on disk: files larger than memory are fine.

    Args:
        path: the file.
        layer: the layer with the expressions, which is read into memory; ``raw`` for ``raw.X``.

    Raises:
        InputError: there is no such file, or it is not an h5ad file with expressions.
    """
    import anndata

    from scyan_exp.data.h5ad_file import check_sparse, open_h5ad

    path = existing_file(path, "an .h5ad file")
    if layer is not None:
        return _read_layer(path, layer)
    try:
        with warnings.catch_warnings():  # repeated names are reported when the cells are checked
            warnings.filterwarnings("ignore", message="Variable names are not unique")
            with open_h5ad(path) as file:
                check_sparse(file.get("X"))
            adata = anndata.read_h5ad(path, backed="r")
            shape = _shape_of_x(adata)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"not an .h5ad file that anndata can read ({reason})", where=str(path)
        ) from error
    if shape is None:
        adata.file.close()
        raise InputError(_no_x(path), where=str(path))
    problems = _no_values(adata.obs)
    if shape != adata.shape:
        problems = [
            f"X has the shape {shape}; obs and var say {adata.n_obs} cells and {adata.n_vars} "
            "markers"
        ]
    if problems:
        adata.file.close()
        raise InputError(problems, where=str(path))
    return adata


def _read_layer(path: Path, layer: str) -> AnnData:
    """The cells with a layer as X, in memory; the layer itself stays, so that it is found again."""
    import anndata

    from scyan_exp.data.h5ad_file import open_h5ad

    try:
        with open_h5ad(path) as file:
            stored, var = find_layer(file, layer, path)
            x, names = anndata.io.read_elem(stored), anndata.io.read_elem(var)
            obs = anndata.io.read_elem(file["obs"])
        adata = anndata.AnnData(x, obs=obs, var=names, layers={layer: x})
        if problems := _no_values(adata.obs):
            raise InputError(problems, where=str(path))
        return adata
    except InputError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"not an .h5ad file that anndata can read ({reason})", where=str(path)
        ) from error


def _no_values(obs: pd.DataFrame) -> list[str]:
    """Columns of arrays or records."""
    return [
        f"obs[{name!r}] is no column of numbers or text: delete it"
        for name, column in obs.items()
        if getattr(column.dtype, "kind", "O") == "V"
        or (column.dtype == object and len(obs) and np.ndim(column.iloc[0]))
    ]


def _no_x(path: Path) -> str:
    import h5py

    with h5py.File(path, "r") as file:
        return no_x(layers_of(file))


def _shape_of_x(adata: AnnData) -> tuple[int, ...] | None:
    """The shape of X on disk, whatever ``obs`` and ``var`` say; None without X."""
    try:
        return None if adata.X is None else tuple(adata.X.shape)
    except KeyError:  # the file has no X
        return None


def existing_file(path: str | Path, expected: str) -> Path:
    """The path of a file that exists.

    Raises:
        InputError: it does not; the message lists files with similar names beside it.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise InputError(f"is a folder; expected {expected}", where=str(path))
    if not path.exists():
        if path.is_symlink():
            raise InputError(f"is a link that leads to no file (expected {expected})", str(path))
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


def read_expressions(
    adata: AnnData, markers: Sequence[str], layer: str | None = None
) -> np.ndarray:
    """Expressions of some markers as a dense float32 array (N, M), in the given order.

    They come from X, or from the given layer if the cells have it. X may be dense, sparse or
    integer; on disk it is read in chunks of rows.

    Raises:
        InputError: they are not numbers, or are damaged.
    """
    places = {str(name): i for i, name in enumerate(adata.var_names)}  # other names may occur twice
    columns = [places[marker] for marker in markers]
    try:
        return _expressions(adata, columns, layer)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        where = str(adata.filename) if adata.isbacked else None
        raise InputError(f"the cells cannot be read ({error})", where=where) from error


def _expressions(adata: AnnData, columns: list[int], layer: str | None) -> np.ndarray:
    x = adata.layers[layer] if layer is not None and layer in adata.layers else adata.X
    if not isinstance(x, np.ndarray) and not hasattr(x, "chunks"):  # sparse, or sparse on disk
        x = x.to_memory() if hasattr(x, "to_memory") else x
        x.check_format(full_check=True)  # what it trusts leads SciPy out of its memory
        return np.asarray(x[:, columns].toarray(), np.float32)
    out = np.empty((adata.n_obs, len(columns)), np.float32)
    rows = max(1, CHUNK_BYTES // (4 * max(1, adata.n_vars)))
    for start in range(0, adata.n_obs, rows):
        out[start : start + rows] = x[start : start + rows][:, columns]
    return out

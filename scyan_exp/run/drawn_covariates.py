"""Covariates for synthetic cells: taken from cells of the run, perhaps of a single batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.errors import InputError, listed, near_matches
from scyan_exp.results.consensus import Member
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.folder import RunFolder, run_folder_of


def draw_covariates(
    run: Any, members: Sequence[Member], n: int, batch: str | None, rng: np.random.Generator
) -> pd.DataFrame:
    """A row for each of n synthetic cells, with the covariates that the models take.

    Args:
        run: the folder of a run, or a checkpoint in it; rows are drawn from the run's cells.
        members: the models.
        n: number of cells.
        batch: one batch for all of them; then rows are drawn only from cells of this batch.
        rng: the source of randomness.

    Raises:
        InputError: there is no such batch, or the cells of the run are gone.
    """
    categories = _categories(members)
    keys = [*categories, *(key for one in members for key in one.model.encoding.continuous)]
    keys = list(dict.fromkeys(keys))
    key = None if batch is None else _key_of(batch, categories)
    if all(name == key for name in keys):
        return _categorical(
            pd.DataFrame({name: [batch] * n for name in keys}, range(n)), categories
        )
    cells = _cells_of_run(run, keys)
    if key is not None:
        cells = cells[cells[key].astype(str) == batch]
    if cells.empty:
        raise InputError(f"batch: the run has no cells of {batch!r} to draw covariates from")
    drawn = cells.iloc[rng.integers(len(cells), size=n)].reset_index(drop=True)
    return _categorical(drawn, categories)


def _categorical(obs: pd.DataFrame, categories: Mapping[str, list[str]]) -> pd.DataFrame:
    """The same rows, as categories that the models know."""
    columns = {
        key: pd.Categorical(obs[key].astype(str), categories=names)
        for key, names in categories.items()
    }
    return obs.assign(**columns)


def _categories(members: Sequence[Member]) -> dict[str, list[str]]:
    """The categories that every model knows, by covariate."""
    found: dict[str, list[str]] = {}
    for one in members:
        for key, names in one.model.encoding.categories.items():
            found[key] = [name for name in found.get(key, names) if name in names]
    return found


def _key_of(batch: str, categories: dict[str, list[str]]) -> str:
    """The covariate that has a batch of this name."""
    known = [name for names in categories.values() for name in names]
    keys = [key for key, names in categories.items() if batch in names]
    if len(keys) == 1:
        return keys[0]
    if not known:
        raise InputError(
            f"batch: {batch!r} is not known: the model was trained without dataset.batch_key"
        )
    if not keys:
        hint = near_matches(batch, known)
        raise InputError(f"batch: {batch!r} is not known.{hint} The model knows: {listed(known)}")
    raise InputError(f"batch: {batch!r} is a category of several covariates: {listed(keys)}")


def _cells_of_run(run: Any, keys: Sequence[str]) -> pd.DataFrame:
    """The covariates of the cells that the run annotated."""
    import h5py
    from anndata.io import read_elem

    needs = f"the covariates ({listed(keys)}) are drawn from the cells of the run"
    if not isinstance(run, str | Path):
        raise InputError(f"{needs}: name its folder, not a model")
    folder = run_folder_of(run)
    annotated = RunFolder(folder).annotated
    if not annotated.is_file():
        why = why_gone(folder, annotated)
        raise InputError(f"{needs}, which are gone{f' ({why})' if why else ''}", str(annotated))
    try:
        with h5py.File(annotated) as file:
            return pd.DataFrame({key: np.asarray(read_elem(file["obs"][key])) for key in keys})
    except (OSError, KeyError) as error:
        raise InputError(f"{needs}: they cannot be read ({error})", str(annotated)) from error

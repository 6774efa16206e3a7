"""What is wrong with cells: every check before they become tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.config.formats import DataFormat
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import listed, near_matches

if TYPE_CHECKING:
    from anndata import AnnData

#: Transformed expressions stay far below this; raw counts and intensities do not.
LARGEST_TRANSFORMED = 1e3


def new_cells_problems(
    names: pd.Index, columns: pd.Index, markers: list[str], covariates: list[str]
) -> list[str]:
    """What new cells lack, as far as names tell.

    Args:
        names: of the columns of X.
        columns: of the columns of ``obs``.
        markers: those of the model.
        covariates: columns of ``obs`` that enter the model.
    """
    problems = marker_problems(names, markers)
    problems += [no_column(columns, key, "covariate") for key in covariates if key not in columns]
    return problems


def marker_problems(names: pd.Index, markers: list[str]) -> list[str]:
    """Markers of the table that the data lacks, or has more than once."""
    names = names.astype(str)
    problems = [
        f"marker {marker!r} of the table is not in the data.{near_matches(marker, names)}"
        for marker in markers
        if marker not in names
    ]
    if problems:
        problems[-1] += f" The data has: {listed(names, limit=60)}"
    repeated = names[names.duplicated()].unique()
    problems += [
        f"marker {marker!r} stands {int((names == marker).sum())} times in the data: rename or "
        "drop all but one"
        for marker in repeated
        if marker in markers
    ]
    return problems


def no_expressions(adata: AnnData) -> list[str]:
    """Cells without X."""
    return ["the cells have no expressions: X is not there"] if adata.X is None else []


def key_problems(adata: AnnData, dataset: DataFormat) -> list[str]:
    """Columns of ``obs`` that the config names and that are missing or cannot be used."""
    obs, problems = adata.obs, []
    roles = [("label_key", dataset.label_key), ("batch_key", dataset.batch_key)]
    roles += [("categorical_covariates", key) for key in dataset.categorical_covariates]
    roles += [("continuous_covariates", key) for key in dataset.continuous_covariates]
    for role, key in roles:
        if key is None:
            continue
        if key not in obs:
            problems.append(no_column(obs.columns, key, f"dataset.{role}"))
            continue
        missing = int(obs[key].isna().sum())
        if missing and role != "label_key":
            problems.append(
                f"dataset.{role}: obs[{key!r}] is missing in {missing} of {len(obs)} cells"
            )
        if role == "continuous_covariates" and not pd.api.types.is_numeric_dtype(obs[key]):
            problems.append(
                f"dataset.{role}: obs[{key!r}] holds text; list it under categorical_covariates"
            )
        elif role == "continuous_covariates" and np.isinf(obs[key].to_numpy(float)).any():
            problems.append(f"dataset.{role}: obs[{key!r}] is infinite in some cells")
    return problems


def no_column(columns: pd.Index, key: str, role: str) -> str:
    """What is said of a column that is not there."""
    return (
        f"{role}: the cells have no column {key!r}.{near_matches(key, columns)} "
        f"They have: {listed(columns) or 'none'}"
    )


def size_problems(adata: AnnData, table: KnowledgeTable) -> list[str]:
    """Fewer cells than populations."""
    n_pops = len(table.populations)
    if adata.n_obs >= n_pops:
        return []
    return [f"{adata.n_obs} cells are fewer than the {n_pops} populations of the table"]


def expression_problems(raw_NM: np.ndarray, markers: list[str], dataset: DataFormat) -> list[str]:
    """Expressions that are not finite, constant, or look untransformed where nothing is done."""
    problems = finite_problems(raw_NM, markers)
    if problems:
        return problems
    low_M, high_M = raw_NM.min(axis=0), raw_NM.max(axis=0)
    problems += [
        f"marker {markers[m]!r} is constant ({low_M[m]:g} in every cell): drop it from the table"
        for m in np.flatnonzero(low_M == high_M)
    ]
    magnitude_M = np.maximum(np.abs(low_M), np.abs(high_M))
    largest = int(magnitude_M.argmax())
    if not dataset.check_range or dataset.transform != "none":
        return problems
    if magnitude_M[largest] > LARGEST_TRANSFORMED:
        problems.append(
            f"the expressions look untransformed: {markers[largest]!r} reaches "
            f"{magnitude_M[largest]:,.0f}. Set dataset.transform=auto (the cells "
            "choose), asinh (dataset.cofactor=5 for CyTOF, 150 for flow cytometry) or logicle, or "
            "give transformed data; if they are transformed, set dataset.check_range=false"
        )
    return problems


def finite_problems(raw_NM: np.ndarray, markers: list[str]) -> list[str]:
    """Markers with expressions that are not finite."""
    # A sum is finite only if all its terms are: the mask is needed for bad data alone.
    with np.errstate(invalid="ignore"):  # infinities of both signs
        total = raw_NM.sum(dtype=np.float64)
    if np.isfinite(total):
        return []
    bad_M = (~np.isfinite(raw_NM)).sum(axis=0)
    return [
        f"marker {markers[m]!r} has {bad_M[m]} NaN or infinite expressions in {len(raw_NM)} "
        "cells: remove these cells or impute them"
        for m in np.flatnonzero(bad_M)
    ]

"""What is wrong with cells: every check before they become tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.config.formats import DataFormat
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import absent, listed, near_matches

if TYPE_CHECKING:
    from anndata import AnnData

#: Transformed expressions stay far below this; raw counts and intensities do not.
LARGEST_TRANSFORMED = 1e3
#: Covariates enter the model as they are; with larger ones its first steps lead to infinity.
LARGEST_COVARIATE = 1e6


def new_cells_problems(
    names: pd.Index, columns: pd.Index, markers: list[str], covariates: list[str]
) -> list[str]:
    """What new cells lack, judged by names alone.

    Args:
        names: names of the columns of X.
        columns: names of the columns of ``obs``.
        markers: those of the model.
        covariates: columns of ``obs`` that enter the model.
    """
    problems = marker_problems(names, markers)
    problems += [no_column(columns, key, "covariate") for key in covariates if key not in columns]
    return problems


def marker_problems(names: pd.Index, markers: list[str]) -> list[str]:
    """Markers of the table that the data lack, or have more than once."""
    names = names.astype(str)
    problems = absent(markers, names, "marker {} of the table is not in the data.", "The data has")
    repeated = names[names.duplicated()].unique()
    problems += [
        f"marker {marker!r} occurs {int((names == marker).sum())} times in the data: rename or "
        "drop all but one"
        for marker in repeated
        if marker in markers
    ]
    return problems


def no_expressions(adata: AnnData) -> list[str]:
    """Cells without X."""
    return ["the cells have no expressions: X is missing"] if adata.X is None else []


def head_problems(dataset: DataFormat, others: Mapping[str, str | None]) -> list[str]:
    """Keys of a config that name no column of the cells, judged by the heads of the files.

    Args:
        dataset: where the cells come from.
        others: the columns that other parts of the config name, by key.
    """
    there = dataset.columns()
    if there is None:
        return []
    roles = [*_roles(dataset), *others.items()]
    roles += [("dataset.subset", key) for key in getattr(dataset, "subset", None) or ()]
    return [
        no_column(pd.Index(there), key, role)
        for role, key in roles
        if key is not None and key not in there
    ]


def _roles(dataset: DataFormat) -> list[tuple[str, str | None]]:
    """The columns of ``obs`` that a data set names, each with its key."""
    return [
        ("dataset.label_key", dataset.label_key),
        ("dataset.batch_key", dataset.batch_key),
        *(("dataset.categorical_covariates", key) for key in dataset.categorical_covariates),
        *(("dataset.continuous_covariates", key) for key in dataset.continuous_covariates),
    ]


def key_problems(adata: AnnData, dataset: DataFormat) -> list[str]:
    """Columns of ``obs`` that the config names, but that are missing or cannot be used."""
    obs, problems = adata.obs, []
    for role, key in _roles(dataset):
        if key is None:
            continue
        if key not in obs:
            problems.append(no_column(obs.columns, key, role))
            continue
        missing = int(obs[key].isna().sum())
        if missing and role != "dataset.label_key":
            problems.append(f"{role}: obs[{key!r}] is missing in {missing} of {len(obs)} cells")
        if role == "dataset.continuous_covariates":
            problems += _number_problems(obs[key], role)
    if dataset.label_key in {*dataset.all_categorical, *dataset.continuous_covariates}:
        problems.append(
            f"dataset.label_key: obs[{dataset.label_key!r}] is a covariate as well: the model "
            "would be told the populations that it is measured by. Leave it out of the covariates"
        )
    return problems


def constant_covariates(obs: pd.DataFrame, dataset: DataFormat) -> list[str]:
    """Covariates that do not differ between cells, so they say nothing."""
    keys = [*dataset.all_categorical, *dataset.continuous_covariates]
    return [
        f"covariate {key!r} is {str(obs[key].iloc[0])!r} in every cell: it tells the model "
        "nothing, and new cells with another value would be taken for what they are not. Leave it "
        "out"
        for key in dict.fromkeys(keys)
        if len(obs) and obs[key].nunique() == 1
    ]


def _number_problems(column: pd.Series, role: str) -> list[str]:
    """Why a column cannot be a continuous covariate."""
    if not pd.api.types.is_numeric_dtype(column):
        return [f"{role}: obs[{column.name!r}] holds text; list it under categorical_covariates"]
    if np.isinf(column.to_numpy(float)).any():
        return [f"{role}: obs[{column.name!r}] is infinite in some cells"]
    most = float(column.abs().max())
    if most > LARGEST_COVARIATE:
        return [
            f"{role}: obs[{column.name!r}] reaches {most:g}, too much to train with: bring it near "
            "1, such as by its mean and standard deviation"
        ]
    return []


def no_column(columns: pd.Index, key: str, role: str) -> str:
    """The message for a column that is not there."""
    return (
        f"{role}: the cells have no column {key!r}.{near_matches(key, columns)} "
        f"They have: {listed(columns) or 'none'}"
    )


def size_problems(adata: AnnData, table: KnowledgeTable) -> list[str]:
    """Fewer cells than populations."""
    n_pops = len(table.populations)
    if adata.n_obs >= n_pops:
        return []
    return [
        f"{adata.n_obs} cells are fewer than the {n_pops} populations of the table: expected many "
        "cells of each. Give more cells, or leave populations out with table.drop"
    ]


def expression_problems(raw_NM: np.ndarray, markers: list[str], dataset: DataFormat) -> list[str]:
    """Expressions that are constant or not finite, or that look as if they needed a transform."""
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
    # A sum is finite only if all its terms are, so the mask is needed only for bad data.
    with np.errstate(invalid="ignore"):  # infinities of both signs warn
        total = raw_NM.sum(dtype=np.float64)
    if np.isfinite(total):
        return []
    bad_M = (~np.isfinite(raw_NM)).sum(axis=0)
    return [
        f"marker {markers[m]!r} has {bad_M[m]} NaN or infinite expressions in {len(raw_NM)} "
        "cells: remove these cells or impute them"
        for m in np.flatnonzero(bad_M)
    ]

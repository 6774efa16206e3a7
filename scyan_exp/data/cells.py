"""From AnnData and a table to the tensors of the model; every input is checked here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scyan_exp.config.formats import DataFormat
from scyan_exp.data.covariates import CovariateEncoding
from scyan_exp.data.preprocess import Preprocessing
from scyan_exp.data.sources import read_expressions
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import InputError, listed, near_matches

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

#: Transformed expressions stay far below this; raw counts and intensities do not.
LARGEST_TRANSFORMED = 1e3


@dataclass(frozen=True)
class Cells:
    """Cells ready for the model.

    Attributes:
        adata: the cells as they were read.
        table: the knowledge table.
        x: (N, M) float32 model inputs, markers in the order of the table.
        covariates: (N, C) float32.
        preprocessing: how ``x`` was made of the raw expressions.
        encoding: how ``covariates`` was made of ``obs``.
        labels: N true populations, missing values where not known; None without labels.
        batches: N batches; None without a batch key.
    """

    adata: AnnData
    table: KnowledgeTable
    x: Tensor
    covariates: Tensor
    preprocessing: Preprocessing
    encoding: CovariateEncoding
    labels: pd.Series | None = None
    batches: pd.Series | None = None

    def __len__(self) -> int:
        return len(self.x)

    def digest(self) -> str:
        """Tells these cells from others: their number, and sums of inputs and covariates."""
        sums = (part.sum(dtype=torch.float64).item() for part in (self.x, self.covariates))
        return " ".join([str(len(self)), *(f"{value:.6g}" for value in sums)])

    def close(self) -> None:
        """Close the file of cells that were left on disk."""
        if self.adata.isbacked:
            self.adata.file.close()


def prepare_cells(adata: AnnData, table: KnowledgeTable, dataset: DataFormat) -> Cells:
    """Check the cells against the table and turn them into tensors.

    Args:
        adata: N cells; X may be dense, sparse, integer, or on disk.
        table: P populations by M markers, all of them in ``adata.var_names``.
        dataset: which columns of ``obs`` matter, and how to preprocess.

    Raises:
        InputError: everything that is wrong with the cells.
    """
    problems = [
        *_marker_problems(adata.var_names, table.markers),
        *_key_problems(adata, dataset),
        *_size_problems(adata, table),
        *_no_expressions(adata),
    ]
    if problems:
        raise InputError(problems)

    raw_NM = read_expressions(adata, table.markers)
    problems = _expression_problems(raw_NM, table.markers, dataset)
    if problems:
        raise InputError(problems)

    preprocessing = Preprocessing.fit(
        raw_NM,
        transform=dataset.transform,
        cofactor=dataset.cofactor,
        scale=dataset.scale,
        center=dataset.center,
        max_value=dataset.max_value,
    )
    _say_center(dataset, preprocessing)
    encoding = CovariateEncoding.fit(
        adata.obs, dataset.all_categorical, list(dataset.continuous_covariates)
    )
    return Cells(
        adata=adata,
        table=table,
        x=torch.from_numpy(preprocessing.apply(raw_NM)),
        covariates=torch.from_numpy(encoding.encode(adata.obs)),
        preprocessing=preprocessing,
        encoding=encoding,
        labels=_column(adata.obs, dataset.label_key),
        batches=_column(adata.obs, dataset.batch_key),
    )


def encode_cells(
    adata: AnnData,
    table: KnowledgeTable,
    preprocessing: Preprocessing,
    encoding: CovariateEncoding,
) -> tuple[Tensor, Tensor]:
    """Inputs (N, M) and covariates (N, C) of new cells, with constants measured before.

    Raises:
        InputError: markers or covariates that the model needs are missing, or not finite.
    """
    keys = [*encoding.categories, *encoding.continuous]
    problems = new_cells_problems(adata.var_names, adata.obs.columns, table.markers, keys)
    problems += _no_expressions(adata)
    if problems:
        raise InputError(problems)
    raw_NM = read_expressions(adata, table.markers)
    return encode_expressions(raw_NM, adata.obs, table, preprocessing, encoding)


def encode_expressions(
    raw_NM: np.ndarray,
    obs: pd.DataFrame,
    table: KnowledgeTable,
    preprocessing: Preprocessing,
    encoding: CovariateEncoding,
) -> tuple[Tensor, Tensor]:
    """As :func:`encode_cells`, of expressions (N, M) and the covariates' columns of N cells.

    Raises:
        InputError: an expression is not finite, or a covariate is not one of the model's.
    """
    problems = _finite_problems(raw_NM, table.markers)
    if problems:
        raise InputError(problems)
    x_NM = preprocessing.apply(raw_NM)
    return torch.from_numpy(x_NM), torch.from_numpy(encoding.encode(obs))


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
    problems = _marker_problems(names, markers)
    problems += [_no_column(columns, key, "covariate") for key in covariates if key not in columns]
    return problems


def _marker_problems(names: pd.Index, markers: list[str]) -> list[str]:
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


def _no_expressions(adata: AnnData) -> list[str]:
    return ["the cells have no expressions: X is not there"] if adata.X is None else []


def _key_problems(adata: AnnData, dataset: DataFormat) -> list[str]:
    obs, problems = adata.obs, []
    roles = [("label_key", dataset.label_key), ("batch_key", dataset.batch_key)]
    roles += [("categorical_covariates", key) for key in dataset.categorical_covariates]
    roles += [("continuous_covariates", key) for key in dataset.continuous_covariates]
    for role, key in roles:
        if key is None:
            continue
        if key not in obs:
            problems.append(_no_column(obs.columns, key, f"dataset.{role}"))
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


def _no_column(columns: pd.Index, key: str, role: str) -> str:
    return (
        f"{role}: the cells have no column {key!r}.{near_matches(key, columns)} "
        f"They have: {listed(columns) or 'none'}"
    )


def _say_center(dataset: DataFormat, preprocessing: Preprocessing) -> None:
    """Say what was decided from the cells alone."""
    if dataset.center != "auto" or dataset.transform != "asinh" or not dataset.scale:
        return
    if preprocessing.center == preprocessing.std:
        log.info("The expressions are counts with many at 0: 0 becomes -1 (dataset.center=false)")
    else:
        log.info("The expressions do not gather at 0: means become 0 (dataset.center=true)")


def _size_problems(adata: AnnData, table: KnowledgeTable) -> list[str]:
    n_pops = len(table.populations)
    if adata.n_obs >= n_pops:
        return []
    return [f"{adata.n_obs} cells are fewer than the {n_pops} populations of the table"]


def _expression_problems(raw_NM: np.ndarray, markers: list[str], dataset: DataFormat) -> list[str]:
    problems = _finite_problems(raw_NM, markers)
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
            f"{magnitude_M[largest]:,.0f}. Set dataset.transform=asinh (dataset.cofactor=5 for "
            "CyTOF, 150 for flow cytometry), or give transformed data; if they are transformed, "
            "set dataset.check_range=false"
        )
    return problems


def _finite_problems(raw_NM: np.ndarray, markers: list[str]) -> list[str]:
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


def _column(obs: pd.DataFrame, key: str | None) -> pd.Series | None:
    if key is None:
        return None
    # A table holds names, so gates that are numbers are names too.
    return obs[key].astype(object).map(str, na_action="ignore").where(obs[key].notna(), None)

"""From AnnData and a table to the model's tensors; every input is checked here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scyan_exp.config.formats import DataFormat
from scyan_exp.data.cells_problems import (
    constant_covariates,
    expression_problems,
    finite_problems,
    key_problems,
    marker_problems,
    new_cells_problems,
    no_expressions,
    size_problems,
)
from scyan_exp.data.covariates import CovariateEncoding
from scyan_exp.data.joined import SAMPLE
from scyan_exp.data.preprocess import Preprocessing
from scyan_exp.data.sources import read_expressions
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.data.transforms import Transform
from scyan_exp.data.transforms.asinh import cofactor_of_each, cofactor_problems
from scyan_exp.data.transforms.choosing import choose_transform, other_choices
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cells:
    """Cells ready for the model.

    Attributes:
        adata: the cells as they were read.
        table: the knowledge table.
        x: (N, M) float32 model inputs, markers in the order of the table.
        covariates: (N, C) float32.
        preprocessing: how ``x`` was made from the raw expressions.
        encoding: how ``covariates`` was made from ``obs``.
        labels: N true populations, missing where not known; None without labels.
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
        """What tells these cells from others: their number, and sums of inputs and covariates."""
        sums = (part.sum(dtype=torch.float64).item() for part in (self.x, self.covariates))
        return " ".join([str(len(self)), *(f"{value:.6g}" for value in sums)])

    def close(self) -> None:
        """Close the file if the cells were left on disk."""
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
        *marker_problems(adata.var_names, table.markers),
        *key_problems(adata, dataset),
        *size_problems(adata, table),
        *no_expressions(adata),
        *cofactor_problems(dataset.cofactor, table.markers),
    ]
    if problems:
        raise InputError(problems)

    for doubt in constant_covariates(adata.obs, dataset):
        log.warning(doubt)
    raw_NM = read_expressions(adata, table.markers)
    problems = expression_problems(raw_NM, table.markers, dataset)
    if problems:
        raise InputError(problems)

    preprocessing, x_NM = Preprocessing.fit_apply(
        raw_NM,
        transform=_transform(raw_NM, adata.obs, dataset),
        cofactor=cofactor_of_each(dataset.cofactor, table.markers),
        scale=dataset.scale,
        center=dataset.center,
        max_value=dataset.max_value,
        compensation=_compensation(adata),
        layer=getattr(dataset, "layer", None),
    )
    _say_center(dataset, preprocessing)
    encoding = CovariateEncoding.fit(
        adata.obs,
        dataset.all_categorical,
        list(dataset.continuous_covariates),
        dataset.batch_key,
    )
    return Cells(
        adata=adata,
        table=table,
        x=torch.from_numpy(x_NM),
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
    problems += no_expressions(adata)
    if problems:
        raise InputError(problems)
    raw_NM = read_expressions(adata, table.markers, preprocessing.layer)
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
    problems = finite_problems(raw_NM, table.markers)
    if problems:
        raise InputError(problems)
    x_NM = preprocessing.apply(raw_NM)
    return torch.from_numpy(x_NM), torch.from_numpy(encoding.encode(obs))


def _transform(raw_NM: np.ndarray, obs: pd.DataFrame, dataset: DataFormat) -> Transform:
    """The transform that a config names; one that ``auto`` chooses is logged."""
    if dataset.transform != "auto":
        return dataset.transform
    choice = choose_transform(raw_NM)
    log.info("Transform: %s, because %s (dataset.transform=auto)", choice.transform, choice.why)
    if SAMPLE in obs:
        for sample, other in other_choices(raw_NM, obs[SAMPLE], choice.transform).items():
            log.warning(
                "Sample %r is unlike the others: by itself it would get transform %s, because %s. "
                "Give all samples in one state, or leave it out",
                *(sample, other.transform, other.why),
            )
    return choice.transform


def _say_center(dataset: DataFormat, preprocessing: Preprocessing) -> None:
    """Log what was decided from the cells alone."""
    if dataset.center != "auto" or preprocessing.transform != "asinh" or not dataset.scale:
        return
    if preprocessing.center == preprocessing.std:
        log.info("The expressions are counts with many at 0: 0 becomes -1 (dataset.center=false)")
    else:
        log.info("The expressions do not gather at 0: means become 0 (dataset.center=true)")


def _column(obs: pd.DataFrame, key: str | None) -> pd.Series | None:
    if key is None:
        return None
    # Populations are names in the table, so labels that are numbers become names too.
    return obs[key].astype(object).map(str, na_action="ignore").where(obs[key].notna(), None)


def _compensation(adata: AnnData) -> dict[str, Any] | None:
    """What one of our readers noted; other programs may keep something else under this key."""
    noted = adata.uns.get("compensation")
    return _plain(noted) if isinstance(noted, Mapping) and "kind" in noted else None


def _plain(value: Any) -> Any:
    """Plain numbers, texts and lists again, which a file of cells turns into arrays."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, bool | int | float | list) else str(value)

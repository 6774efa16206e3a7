"""Small cells that are prepared for a small table, or refused."""

from __future__ import annotations

import anndata
import pytest

from scyan_exp.data import Cells, H5adDataset, KnowledgeTable, prepare_cells
from scyan_exp.errors import InputError
from tests.conftest import small_adata


def prepare(adata: anndata.AnnData, table: KnowledgeTable, **settings: object) -> Cells:
    """As a run prepares them."""
    return prepare_cells(adata, table, H5adDataset(path="cells.h5ad", **settings))


def problems_of(adata: anndata.AnnData, table: KnowledgeTable, **settings: object) -> list[str]:
    """What is wrong with them."""
    with pytest.raises(InputError) as caught:
        prepare(adata, table, **settings)
    return caught.value.problems


def renamed(**names: str) -> anndata.AnnData:
    """With other names of markers."""
    adata = small_adata()
    adata.var_names = [names.get(name, name) for name in adata.var_names]
    return adata


def changed(marker: str, rows: object, value: float) -> anndata.AnnData:
    """With another value in some rows of a marker."""
    adata = small_adata()
    adata.X[rows, adata.var_names.get_loc(marker)] = value
    return adata

"""Cells and knowledge tables: reading, checking, preprocessing, batching.

Nothing here is imported until it is used, so that data sets can be named in a configuration
without loading torch.
"""

from typing import TYPE_CHECKING, Any

from scyan_exp._lazy import lazy_attributes

if TYPE_CHECKING:
    from scyan_exp.config.formats import DataFormat, data_format
    from scyan_exp.data.cells import Cells, encode_cells, prepare_cells
    from scyan_exp.data.datamodule import CellDataModule
    from scyan_exp.data.dataset import PublicDataset, SyntheticDataset
    from scyan_exp.data.file_datasets import (
        CsvDataset,
        FcsDataset,
        FilesDataset,
        H5adDataset,
        ParquetDataset,
    )
    from scyan_exp.data.preprocess import Preprocessing
    from scyan_exp.data.public import load_public_table
    from scyan_exp.data.synthetic import load_pbmc_table
    from scyan_exp.data.table import KnowledgeTable, load_table

__all__ = [
    "CellDataModule",
    "Cells",
    "CsvDataset",
    "DataFormat",
    "FcsDataset",
    "FilesDataset",
    "H5adDataset",
    "KnowledgeTable",
    "ParquetDataset",
    "Preprocessing",
    "PublicDataset",
    "SyntheticDataset",
    "data_format",
    "encode_cells",
    "load_pbmc_table",
    "load_public_table",
    "load_table",
    "prepare_cells",
]

_ATTRIBUTES = {
    "cells": ["Cells", "encode_cells", "prepare_cells"],
    "datamodule": ["CellDataModule"],
    "dataset": ["DataFormat", "PublicDataset", "SyntheticDataset", "data_format"],
    "file_datasets": [
        "CsvDataset",
        "FcsDataset",
        "FilesDataset",
        "H5adDataset",
        "ParquetDataset",
    ],
    "preprocess": ["Preprocessing"],
    "public": ["load_public_table"],
    "synthetic": ["load_pbmc_table"],
    "table": ["KnowledgeTable", "load_table"],
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _ATTRIBUTES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

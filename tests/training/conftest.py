"""The small cells of all tests, a model for them, and its training."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl

from scyan_exp import Scyan
from scyan_exp.data import CellDataModule, KnowledgeTable, load_table, prepare_cells
from scyan_exp.data.cells import Cells
from scyan_exp.data.dataset import SyntheticDataset
from tests.conftest import small_adata

SMALL = {"hidden_size": 8, "n_hidden_layers": 1, "n_layers": 3, "batch_size": 100}


@pytest.fixture
def table(table_file) -> KnowledgeTable:
    return load_table(table_file)


@pytest.fixture
def cells(table) -> Cells:
    return small_cells(table)


def small_cells(table: KnowledgeTable) -> Cells:
    """The small cells of all tests, prepared for training."""
    dataset = SyntheticDataset(label_key="cell_type", batch_key="batch")  # only its keys are used
    return prepare_cells(small_adata(), table, dataset)


def make_trainer(max_epochs: int, **options) -> pl.Trainer:
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    quiet = dict.fromkeys(off, False)
    return pl.Trainer(accelerator="cpu", max_epochs=max_epochs, **{**quiet, **options})


def fit(model: Scyan, cells: Cells, max_epochs: int = 5, **options) -> pl.Trainer:
    trainer = make_trainer(max_epochs, **options)
    datamodule = CellDataModule(cells, model.hparams.batch_size, None, model.hparams.seed)
    trainer.fit(model, datamodule)
    return trainer


def make_model(cells: Cells, **hparams) -> Scyan:
    return Scyan(cells.table, cells.encoding, cells.preprocessing, **{**SMALL, **hparams})

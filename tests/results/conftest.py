"""A model trained for a moment, and its cells."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp import Scyan
from scyan_exp.data import Cells, H5adDataset, KnowledgeTable, load_table, prepare_cells
from scyan_exp.results.annotation import Annotation
from tests.conftest import TABLE, small_adata
from tests.training.conftest import fit, make_model


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> tuple[Scyan, Cells, str]:
    """A model of ``small_adata``, its cells, and the checkpoint of its trainer."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "table.csv").write_text(TABLE)
    dataset = H5adDataset(
        path="-", label_key="cell_type", batch_key="batch", continuous_covariates=["age"]
    )
    cells = prepare_cells(small_adata(), load_table(folder / "table.csv"), dataset)
    model = make_model(cells)
    trainer = fit(model, cells, max_epochs=3)
    trainer.save_checkpoint(folder / "last.ckpt")
    return model, cells, str(folder / "last.ckpt")


def make_annotation(populations: list[str], codes, n_markers: int = 3, **settings) -> Annotation:
    """An annotation of cells with the given population codes, their latent noise around them."""
    rng = np.random.default_rng(0)
    rho = np.where(rng.random((len(populations), n_markers)) < 0.5, -1.0, 1.0)
    rho[0, 0] = np.nan
    markers = settings.pop("markers", [f"m{i}" for i in range(n_markers)])
    table = KnowledgeTable(populations, markers, rho, settings.pop("levels", {}))
    codes = np.asarray(codes)
    latent = np.nan_to_num(rho)[codes] + 0.1 * rng.normal(size=(len(codes), n_markers))
    log_prob = settings.pop("log_prob", np.full(len(codes), -3.0))
    confidence = settings.pop("confidence", np.full(len(codes), 0.9))
    return Annotation(
        table,
        codes,
        np.asarray(log_prob, np.float32),
        latent.astype(np.float32),
        np.asarray(confidence, np.float32),
        **settings,
    )

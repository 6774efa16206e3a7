"""Runs that annotate new cells; not to be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TABLE, small_adata

#: What lies in the folder of a run without W&B; a single run also has its log.
RUN_FILES = {
    ".hydra",
    "annotated.h5ad",
    "checkpoints",
    "figures",
    "metrics.csv",
    "population_weights.csv",
    "result.json",
}
#: Runs of a second: cells of one's own, with a batch and an age.
SMALL = (
    *("dataset=h5ad", "dataset.label_key=cell_type", "dataset.batch_key=batch"),
    *("dataset.continuous_covariates=[age]", "flow=shallow", "model.batch_size=100"),
    *("model.lr=0.002", "trainer.max_epochs=2", "callbacks=none", "logger=none"),
    "figures.draw=none",
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder with a run ``single``, and one of three repeats, ``several``."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("trained")
    small_adata().write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    files = (f"dataset.path={folder / 'cells.h5ad'}", f"table.path={folder / 'table.csv'}")
    settings = ["predict.log_prob_th=-4"]
    for name, arguments in (("several", ["repeats=3", "seed=4"]), ("single", settings)):
        assert main(["train", *SMALL, *files, *arguments, f"hydra.run.dir={folder / name}"]) == 0
    return folder

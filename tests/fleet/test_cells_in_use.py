"""Cells kept between the jobs of a worker, and what a worker is prepared with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.devices import Slot
from scyan_exp.run.build import CellsInUse
from tests.conftest import small_adata


@pytest.fixture
def config(cells_file, table_file) -> dict:
    overrides = ["dataset=h5ad", f"dataset.path={cells_file}", f"table.path={table_file}"]
    return check_config(compose_config(overrides))


def is_open(path: Path) -> bool:
    open_files = (entry.resolve() for entry in Path("/proc/self/fd").iterdir() if entry.exists())
    return path.resolve() in open_files


@pytest.fixture
def cells_in_use():
    cells = CellsInUse()
    yield cells
    cells.close()


def test_the_same_cells_are_kept(cells_in_use, config, cells_file):
    cells_in_use.keep = True
    first = cells_in_use.load(config)
    cells_in_use.release()
    assert is_open(cells_file)
    assert cells_in_use.load({**config, "seed": 5}) is first


def test_cells_that_are_not_kept_are_closed(cells_in_use, config, cells_file):
    first = cells_in_use.load(config)
    assert is_open(cells_file)
    cells_in_use.release()
    assert not is_open(cells_file)
    assert cells_in_use.load(config) is not first


def test_other_cells_take_their_place(cells_in_use, config, cells_file):
    cells_in_use.keep = True
    first = cells_in_use.load(config)
    for changed in (
        {**config, "dataset": {**config["dataset"], "scale": False}},
        {**config, "dataset": {**config["dataset"], "label_key": "cell_type"}},
    ):
        assert cells_in_use.load(changed) is not first
    synthetic = check_config(compose_config(["dataset.n_cells=500"]))
    assert len(cells_in_use.load(synthetic)) == 500
    assert not is_open(cells_file)


@pytest.mark.parametrize("which", ["cells", "table"])
def test_a_changed_file_is_read_again(cells_in_use, config, cells_file, table_file, which):
    cells_in_use.keep = True
    assert len(cells_in_use.load(config)) == 600
    if which == "cells":
        new = cells_file.with_name("new.h5ad")
        small_adata(n_cells=400).write_h5ad(new)
        new.replace(cells_file)
        assert len(cells_in_use.load(config)) == 400
    else:
        table_file.write_text(table_file.read_text().replace("B cells,B cells", "Bs,B cells"))
        assert "Bs" in cells_in_use.load(config).table.populations


def test_cells_that_cannot_be_read_leave_nothing_behind(cells_in_use, config, cells_file):
    cells_in_use.keep = True
    cells_in_use.load(config)
    content = cells_file.read_bytes()
    cells_file.unlink()
    for damaged in (None, b"no h5ad"):
        if damaged is not None:
            cells_file.write_bytes(damaged)
        with pytest.raises(InputError):
            cells_in_use.load(config)
    cells_file.write_bytes(content)
    assert len(cells_in_use.load(config)) == 600


# ---------------------------------------------------------------- workers


def test_a_worker_keeps_cells_and_takes_the_threads_of_its_slot(monkeypatch):
    import torch

    from scyan_exp.fleet.engines.worker import prepare
    from scyan_exp.run.build import CELLS

    monkeypatch.setattr(CELLS, "keep", False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    before = torch.get_num_threads()
    try:
        prepare(Slot("cpu:0", 3, {"CUDA_VISIBLE_DEVICES": ""}))
        assert CELLS.keep
        assert torch.get_num_threads() == 3
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    finally:
        torch.set_num_threads(before)


def test_libraries_are_imported_before_workers_are_forked():
    """In a process of its own: this one has imported everything already."""
    program = (
        "import sys; from scyan_exp.run.job import TrainJob; before = set(sys.modules);"
        "TrainJob().import_libraries();"
        "print(*{'torch', 'wandb', 'anndata', 'sklearn.metrics', 'scyan_exp.run.build'}"
        " & (set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert imported == {"torch", "wandb", "anndata", "sklearn.metrics", "scyan_exp.run.build"}

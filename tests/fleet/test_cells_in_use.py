"""Cells kept between the jobs of a process, and what a worker is prepared with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scyan_exp.config.check import check_config, read_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.devices import Slot
from scyan_exp.run.cells import KeptCells
from scyan_exp.run.job import TrainJob
from tests.conftest import small_adata


@pytest.fixture
def config(cells_file, table_file) -> RunConfig:
    overrides = ["dataset=h5ad", f"dataset.path={cells_file}", f"table.path={table_file}"]
    return check_config(compose_config(overrides))


def is_open(path: Path) -> bool:
    open_files = (entry.resolve() for entry in Path("/proc/self/fd").iterdir() if entry.exists())
    return path.resolve() in open_files


@pytest.fixture
def kept():
    with KeptCells() as cells:
        yield cells


def changed(config: RunConfig, **values) -> RunConfig:
    """The same with other keys of the data set."""
    plain = config.plain()
    return read_config({**plain, "dataset": {**plain["dataset"], **values}})


def test_the_same_cells_are_kept(kept, config, cells_file):
    first = kept.load(config)
    assert is_open(cells_file)
    assert kept.load(config.changed(seed=5)) is first


def test_cells_are_closed_at_the_end(config, cells_file):
    with KeptCells() as kept:
        first = kept.load(config)
        assert is_open(cells_file)
    assert not is_open(cells_file)
    assert kept.load(config) is not first
    kept.close()


def test_other_cells_take_their_place(kept, config, cells_file):
    first = kept.load(config)
    for other in (changed(config, scale=False), changed(config, label_key="cell_type")):
        assert kept.load(other) is not first
    synthetic = check_config(compose_config(["dataset.n_cells=500"]))
    assert len(kept.load(synthetic)) == 500
    assert not is_open(cells_file)


@pytest.mark.parametrize("which", ["cells", "table"])
def test_a_changed_file_is_read_again(kept, config, cells_file, table_file, which):
    assert len(kept.load(config)) == 600
    if which == "cells":
        new = cells_file.with_name("new.h5ad")
        small_adata(n_cells=400).write_h5ad(new)
        new.replace(cells_file)
        assert len(kept.load(config)) == 400
    else:
        table_file.write_text(table_file.read_text().replace("B cells,B cells", "Bs,B cells"))
        assert "Bs" in kept.load(config).table.populations


def test_cells_that_cannot_be_read_leave_nothing_behind(kept, config, cells_file):
    kept.load(config)
    content = cells_file.read_bytes()
    cells_file.unlink()
    for damaged in (None, b"no h5ad"):
        if damaged is not None:
            cells_file.write_bytes(damaged)
        with pytest.raises(InputError):
            kept.load(config)
    cells_file.write_bytes(content)
    assert len(kept.load(config)) == 600


def test_the_jobs_of_a_process_share_their_cells(monkeypatch, config, tmp_path):
    """The object belongs to the program that runs the jobs: each has its own."""
    given = []
    monkeypatch.setattr("scyan_exp.run.job.is_sweep", lambda: True)
    one, other = TrainJob(), TrainJob()
    given += [one._cells(), one._cells(), other._cells()]
    assert given[0] is given[1]
    assert given[0] is not given[2]
    monkeypatch.setattr("scyan_exp.run.job.is_sweep", lambda: False)
    assert TrainJob()._cells() is None


# ---------------------------------------------------------------- workers


def test_a_worker_takes_the_threads_of_its_slot(monkeypatch):
    import torch

    from scyan_exp.fleet.engines.worker import prepare

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    before = torch.get_num_threads()
    try:
        prepare(Slot("cpu:0", 3, {"CUDA_VISIBLE_DEVICES": ""}))
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

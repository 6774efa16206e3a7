"""What a new user stumbles over: each is told in a sentence, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest

import scyan_exp
import scyan_exp.data
from scyan_exp.run.locking import FolderInUse, alone_in, require_free
from tests.conftest import TABLE, small_adata

QUICK = ("experiment=smoke", "dataset.n_cells=1000", "trainer.max_epochs=1", "figures.draw=none")
QUICK = (*QUICK, "logger=none")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a single run; not to be changed."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("habits") / "run"
    assert main(["train", *QUICK, f"hydra.run.dir={folder}"]) == 0
    return folder


def test_a_folder_is_of_one_run_at_a_time(scyan_exp, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with alone_in(folder):
        code, output = scyan_exp("train", *QUICK, "seed=1", "hydra.run.dir=run")
        assert code == 2
        assert "run: in use: another run writes to this folder; wait for it" in output
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    require_free(folder)
    require_free(tmp_path / "none")


def test_a_run_refused_by_its_job_leaves_the_folder(scyan_exp, tmp_path, monkeypatch):
    """Where the folder is not known before Hydra writes to it."""
    monkeypatch.setenv("PLACE", "run")
    folder = tmp_path / "run"
    folder.mkdir()
    with alone_in(folder):
        code, output = scyan_exp("train", *QUICK, "hydra.run.dir=${oc.env:PLACE}")
    assert code == 2
    assert "in use: another run writes to this folder" in output
    assert "Traceback" not in output
    assert folder.is_dir()


def test_a_folder_is_free_when_its_run_has_ended(tmp_path):
    with pytest.raises(FolderInUse), alone_in(tmp_path), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["hydra.run.dir=", "hydra.sweep.dir="])
def test_results_need_a_folder(scyan_exp, tmp_path, override):
    code, output = scyan_exp("train", *QUICK, override)
    assert code == 2
    key = override.partition("=")[0]
    assert f"{key}: names no folder, so the results would land in the current one" in output
    assert list(tmp_path.iterdir()) == []


def test_resume_says_how_a_single_run_goes_on(scyan_exp, trained, tmp_path):
    code, output = scyan_exp("resume", str(trained))
    assert code == 2
    last = trained / "checkpoints" / "last.ckpt"
    command = f"hydra.run.dir={trained} ckpt_path={last}"
    assert "this is the folder of a single run, not of a sweep. It goes on" in output
    assert f"\n  scyan-exp train {' '.join(QUICK)} {command}\n" in output


def test_a_job_is_resumed_with_its_sweep(scyan_exp, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "0")
    shutil.rmtree(tmp_path / "0" / ".hydra")
    code, output = scyan_exp("resume", "0")
    assert code == 2
    assert "0: this is the folder of a job; resume the sweep that it belongs to" in output


def test_paths_are_relative_to_where_the_command_was_typed(scyan_exp, tmp_path):
    small_adata().write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "table.csv").write_text(TABLE)
    cells = ("dataset=h5ad", "dataset.path=cells.h5ad", "table.path=table.csv", "logger=none")
    small = ("trainer.max_epochs=1", "model.batch_size=100", "figures.draw=none", "flow=shallow")
    place = ("hydra.job.chdir=true", "hydra.run.dir=run")
    code, output = scyan_exp("train", *cells, *small, *place)
    assert code == 0, output
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "completed"


def test_a_training_that_diverges_says_what_to_try_and_nothing_else(scyan_exp, tmp_path):
    code, output = scyan_exp("train", *QUICK, "model.lr=1e30", "hydra.run.dir=run")
    assert code == 1
    assert "the run failed: the loss became" in output
    assert "try a smaller model.lr" in output
    assert "Traceback" not in output
    assert "site-packages" not in output


def test_an_unknown_launcher_is_told_with_all_there_are(scyan_exp):
    code, output = scyan_exp("train", "-m", "seed=0,1", "hydra/launcher=flet")
    assert code == 2
    assert "hydra/launcher=flet: no such option. Did you mean 'fleet'?" in output
    assert "hydra/launcher can be basic, fleet, joblib" in output


@pytest.mark.parametrize("package", [scyan_exp, scyan_exp.data])
def test_dir_lists_what_is_imported_when_used(package):
    assert {*package.__all__} <= {*dir(package)}


def test_warnings_of_libraries_are_a_line_without_a_path():
    from scyan_exp.cli.command import short_warnings

    before = warnings.formatwarning
    try:
        short_warnings()
        text = warnings.formatwarning("it\nis", UserWarning, "/a/site-packages/b.py", 3)
    finally:
        warnings.formatwarning = before
    assert text == "UserWarning: it is\n"


def test_both_names_of_no_logger_say_so():
    from scyan_exp.config.compose import compose_config, configs_folder

    assert compose_config(["logger=csv"]) == compose_config(["logger=none"])
    assert "The same as csv" in (configs_folder() / "logger" / "none.yaml").read_text()

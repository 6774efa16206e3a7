"""``scyan-exp annotate``: options, exit codes, and what is shown."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import anndata
import pytest

from scyan_exp.run.folder import RunFolder
from tests.conftest import TABLE, small_adata

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that annotates few cells, and says so in its config."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs")
    small_adata().write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    arguments = [
        *("dataset=h5ad", f"dataset.path={folder / 'cells.h5ad'}"),
        *(f"table.path={folder / 'table.csv'}", "flow=shallow", "trainer.max_epochs=2"),
        *("logger=none", "figures.draw=none", "predict.log_prob_th=-3"),
    ]
    assert main(["train", *arguments, f"hydra.run.dir={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture
def new(tmp_path) -> str:
    small_adata(300, seed=1).write_h5ad(tmp_path / "new.h5ad")
    return str(tmp_path / "new.h5ad")


def annotated(folder: Path) -> anndata.AnnData:
    return anndata.read_h5ad(folder / "new.annotated.h5ad")


def test_files_go_to_a_folder_with_a_line_on_each(scyan_exp, run, new, tmp_path):
    code, output = scyan_exp("annotate", str(run), new)
    assert code == 0, output
    n_none = annotated(tmp_path / "annotated").obs["scyan_pop"].isna().sum()
    line = f"annotated/new.annotated.h5ad: 300 cells, {n_none / 300:.1%} without a population"
    assert line in output
    assert "1 file, 300 cells, in " in output
    code, output = scyan_exp("annotate", str(run), new)
    assert code == 0
    assert "new.h5ad: annotated already, annotated/new.annotated.h5ad" in output


def test_settings_are_those_of_the_run_unless_typed(scyan_exp, run, new, tmp_path):
    """Of its folder, and of a checkpoint in it."""
    settings = ["predict.log_prob_th=-1000", "predict.proba=true", "predict.key_added=kind"]
    for number, (what, typed) in enumerate([(run, []), (RunFolder(run).best, []), (run, settings)]):
        code, output = scyan_exp("annotate", str(what), new, f"out={number}", *typed)
        assert code == 0, output
    first, second, third = (annotated(tmp_path / str(number)) for number in range(3))
    assert 0 < first.obs["scyan_pop"].isna().sum() < 300
    assert second.obs["scyan_pop"].equals(first.obs["scyan_pop"])
    assert third.obs["kind"].notna().all()
    assert "scyan_pop" not in third.obs
    assert third.obsm["scyan_proba"].shape == (300, 3)
    assert "scyan_proba" not in first.obsm


WRONG = {
    "nothing": ([], "usage: scyan-exp annotate CHECKPOINT_OR_FOLDER FILE"),
    "no file": (["{run}"], "usage: scyan-exp annotate"),
    "an unknown option": (["{run}", "{new}", "fromat=csv"], "Did you mean 'format='?"),
    "a matrix": (
        ["{run}", "{new}", "compensation=true"],
        "compensation: expected auto, false or FILE.csv, found 'true'",
    ),
    "a format": (["{run}", "{new}", "format=xlsx"], "format: expected one of h5ad, csv"),
    "no run": (["{new}x", "{new}"], "no such file; expected checkpoints/best.ckpt of a run"),
    "no checkpoint": (["{new}", "{new}"], "not a checkpoint"),
    "a folder without a run": (["{run}/checkpoints", "{new}"], "no run: there is no result.json"),
    "a threshold": (
        ["{run}", "{new}", "predict.log_prob_th=low"],
        "predict.log_prob_th: expected a number, found 'low'",
    ),
    "a yes": (
        ["{run}", "{new}", "predict.proba=perhaps"],
        "predict.proba: expected a boolean, found 'perhaps'",
    ),
    "a value": (
        ["{run}", "{new}", "predict.proba=["],
        "predict.proba: expected a value, found",
    ),
    "a batch": (["{run}", "{new}", "correct.batch_ref=b"], "the model knows no batches, so there"),
    "a column": (["{run}", "{new}", "predict.key_added=age"], "would overwrite the column 'age'"),
    "a sheet": (["{run}", "{new}", "metadata=sheet.csv"], "sheet.csv: no such file"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_and_nothing_is_written(scyan_exp, run, new, tmp_path, what):
    arguments, words = WRONG[what]
    code, output = scyan_exp("annotate", *(one.format(run=run, new=new) for one in arguments))
    assert code == 2
    assert words in output
    assert "Traceback" not in output
    assert not (tmp_path / "annotated").exists()


def test_a_terminal_shows_a_bar(scyan_exp, run, new, monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert scyan_exp("annotate", str(run), new)[0] == 0
        monkeypatch.undo()
        shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "new.h5ad (1 of 1)" in shown


def test_the_script_is_the_command_and_a_pipe_has_lines_alone(run, new, tmp_path):
    script = [sys.executable, str(ROOT / "scripts" / "annotate.py"), str(run), new]
    done = subprocess.run([*script, f"out={tmp_path / 'out'}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == len(done.stdout.splitlines()) == 1

"""Runs of an earlier version: read, annotated with, continued, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pytest
from omegaconf import OmegaConf

from scyan_exp.data.synthetic import draw_cells
from scyan_exp.errors import InputError
from scyan_exp.run.annotate import annotate
from scyan_exp.run.job import TrainJob
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_run import read_run
from scyan_exp.run.record import RunRecord

OUTCOMES = {
    "single": Outcome.COMPLETED,
    "repeats": Outcome.COMPLETED,
    "repeats/seed_0": Outcome.COMPLETED,
    "repeats/seed_1": Outcome.COMPLETED,
    "killed": Outcome.RUNNING,
    "interrupted": Outcome.INTERRUPTED,
    "sweep/0": Outcome.COMPLETED,
    "sweep/1": Outcome.LOST,
    "search/0": Outcome.COMPLETED,
    "search/3": Outcome.COMPLETED,
    "search_killed/1": Outcome.COMPLETED,
    "search_killed/2": Outcome.RUNNING,
}


@pytest.mark.parametrize(("name", "outcome"), OUTCOMES.items())
def test_its_record_says_how_it_ended(unpacked, name, outcome):
    assert RunRecord.read(unpacked / name).status is outcome


def test_of_a_lost_process_the_error_says_why(unpacked):
    """The first format told it as ``failed`` with "WorkerLost: " before the reason."""
    assert "WorkerLost: " in (unpacked / "sweep/1/result.json").read_text()
    error = RunRecord.read(unpacked / "sweep/1").error
    assert error == "its process was killed by SIGKILL (out of memory?)"


@pytest.mark.parametrize("name", OUTCOMES)
def test_its_config_has_the_hash_of_then(unpacked, name):
    """Or completed jobs of a sweep would be run again."""
    config = OmegaConf.load(unpacked / name / ".hydra" / "config.yaml")
    checked = TrainJob().check(config)
    assert checked.hash == RunRecord.read(unpacked / name).config_hash


def test_it_is_an_object(unpacked):
    run = read_run(unpacked / "single")
    assert run.outcome == "completed"
    assert run.config.model.hidden_size == 4
    assert run.objective == run.metrics["heuristic"]
    assert run.weights.shape == (4, 13)
    assert run.history["loss"].min() == pytest.approx(run.metrics["loss"])
    assert list(run.figures) == ["loss"]
    several = read_run(unpacked / "repeats")
    assert [repeat.record.seed for repeat in several.repeats] == [0, 1]


def cells_without_annotation(path: Path) -> anndata.AnnData:
    cells = anndata.read_h5ad(path)
    cells.obs = cells.obs[["population"]]
    del cells.obsm["X_scyan"]
    return cells


@pytest.mark.parametrize("name", ["single", "single/checkpoints/best.ckpt"])
def test_it_annotates_as_it_did_then(unpacked, name):
    path = unpacked / "single" / "annotated.h5ad"
    then, now = anndata.read_h5ad(path), cells_without_annotation(path)
    annotate(unpacked / name, now)
    assert (now.obs["scyan_pop"].astype(str) == then.obs["scyan_pop"].astype(str)).mean() > 0.99
    np.testing.assert_allclose(now.obsm["X_scyan"], then.obsm["X_scyan"], rtol=1e-3, atol=1e-3)
    added = {"scyan_confidence", "scyan_confidence_level"}  # since then
    assert [name for name in now.obs if name not in added] == then.obs.columns.tolist()


@pytest.mark.parametrize(
    "name", ["repeats", "killed", "interrupted", "sweep/0", "sweep/1", "search/1"]
)
def test_any_that_wrote_a_model_annotates_its_cells(unpacked, name):
    dataset = read_run(unpacked / name).config.dataset
    cells = draw_cells(dataset.n_cells, 0, dataset.prior_std, 1, dataset.batch_shift)
    annotate(unpacked / name, cells)
    known = cells.obs["scyan_pop"].notna()
    agree = cells.obs["scyan_pop"].astype(str) == cells.obs["population"].astype(str)
    assert known.mean() > 0.4
    assert agree[known].mean() > 0.9
    assert ("scyan_agreement" in cells.obs) == (name == "repeats")


def test_one_without_a_model_is_refused(earlier, unpacked):
    folder = earlier("killed")
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    cells = cells_without_annotation(unpacked / "single" / "annotated.h5ad")
    with pytest.raises(InputError, match=r"no model \(its status is 'running'\)"):
        annotate(folder, cells)


def test_killed_it_continues_to_the_end(earlier, unpacked, scyan_exp):
    """``sweep/0`` is the same run, never killed."""
    folder = earlier("killed")
    before = (folder / "population_weights.csv").read_text()
    config = OmegaConf.load(folder / ".hydra" / "overrides.yaml")
    last = folder / "checkpoints" / "last.ckpt"
    arguments = (*config, f"ckpt_path={last}", f"hydra.run.dir={folder}")
    code, output = scyan_exp("train", *arguments)
    assert code == 2
    assert "the run to resume had init=reference, this config gives init=identity" in output
    code, output = scyan_exp("train", "model=reference", *arguments)
    assert code == 0, output
    run, expected = read_run(folder), read_run(unpacked / "sweep" / "0")
    assert (run.outcome, run.record.epochs) == ("completed", expected.record.epochs)
    assert (folder / "population_weights.csv").read_text().startswith(before)
    # Rounding differs between machines; on the one that made them, they are equal to the bit.
    assert run.objective == pytest.approx(expected.objective, rel=0.02)
    np.testing.assert_allclose(run.weights, expected.weights, atol=0.01)


def test_a_run_of_a_later_version_is_refused(earlier):
    folder = earlier("single")
    values = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**values, "format": 99}))
    cells = cells_without_annotation(folder / "annotated.h5ad")
    for use in (read_run, lambda one: annotate(one, cells)):
        with pytest.raises(InputError, match="format 99, this version reads up to 4: update"):
            use(folder)

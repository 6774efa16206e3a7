"""The object of a run: what it reads, when, and what it says when there is nothing to read."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_run import Run, read_run
from scyan_exp.run.record import RunRecord

QUICK = ("dataset.n_cells=300", "flow=shallow", "model.batch_size=50", "trainer.max_epochs=3")
QUICK = (*QUICK, "callbacks=none", "logger=none", "figures.draw=[loss,population_weights]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A single run, ``single``, and one of two repeats, ``several``."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("single", ["seed=3"]), ("several", ["repeats=2", "seed=5"])):
        assert main(["train", *QUICK, *more, f"hydra.run.dir={folder / name}"]) == 0
    return folder


def test_a_run_says_what_it_was_and_what_came_of_it(runs):
    run = read_run(runs / "single")
    assert (run.outcome, run.record.seed, run.record.epochs) == ("completed", 3, 3)
    assert run.objective == run.metrics["table_fit"]
    assert (run.config.seed, run.config.trainer.max_epochs) == (3, 3)
    assert run.repeats == []


def test_weights_and_history_have_a_row_an_epoch(runs):
    run = read_run(str(runs / "single"))
    for table in (run.weights, run.history):
        assert table.index.tolist() == [0, 1, 2]
        assert table.index.name == "epoch"
        assert table.notna().all(axis=None)
    assert run.weights.columns.tolist() == run.model.table.populations
    assert run.weights.sum(axis="columns").tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert run.history["loss"].min() == pytest.approx(run.metrics["loss"])


def test_the_model_annotates_the_cells_as_the_run_did(runs):
    run = read_run(runs / "single")
    cells = run.cells.copy()
    del cells.obs["scyan_pop"]
    annotation = run.annotate(cells)
    assert len(annotation.population) == 300
    same = cells.obs["scyan_pop"].astype(str) == run.cells.obs["scyan_pop"].astype(str)
    assert same.mean() > 0.99


def test_figures_have_names(runs):
    figures = read_run(runs / "single").figures
    assert {"loss", "population_weights"} <= set(figures)
    assert all(path.is_file() for path in figures.values())


def test_each_is_read_once_and_when_it_is_asked_for(runs, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in (runs / "single").iterdir():
        (folder / path.name).symlink_to(path)
    run = read_run(folder)
    first = run.weights
    (folder / "population_weights.csv").unlink()
    (folder / "annotated.h5ad").unlink()
    assert run.weights is first
    with pytest.raises(InputError, match=r"no annotated\.h5ad in this run \(it is completed\)"):
        run.cells  # noqa: B018
    with pytest.raises(InputError, match=r"no population_weights\.csv in this run"):
        read_run(folder).weights  # noqa: B018


def test_nobody_changes_its_config_or_metrics(runs):
    run = read_run(runs / "single")
    run.metrics.clear()
    assert run.metrics
    with pytest.raises(AttributeError, match="seed stays as it was"):
        run.config.seed = 4
    with pytest.raises(AttributeError, match="model stays as it was"):
        del run.config.model
    run.config.tags.append("mine")
    run.config.plain()["model"].clear()
    assert (run.config.seed, list(run.config.tags)) == (3, [])
    assert run.config.model


def test_its_config_is_a_mapping_whose_keys_are_attributes(runs):
    config = read_run(runs / "single").config
    assert config["model"]["prior_std"] == config.model.prior_std
    assert config.get("repeats") == 1
    assert "trainer" in dir(config)
    assert json.loads(json.dumps(config.plain())) == config == copy.deepcopy(config)
    assert repr(config.trainer).startswith("{")
    with pytest.raises(AttributeError, match=r"no 'prior_st' here\. Did you mean 'prior_std'"):
        config.model.prior_st  # noqa: B018


def test_a_run_with_repeats_has_them(runs):
    run = read_run(runs / "several")
    assert [repeat.record.seed for repeat in run.repeats] == [5, 6]
    mean = sum(repeat.metrics["heuristic"] for repeat in run.repeats) / 2
    assert run.metrics["heuristic"] == pytest.approx(mean)
    assert "scyan_agreement" in run.cells.obs
    cells = run.cells.copy()
    run.annotate(cells)
    assert "scyan_pop_seed_5" in cells.obs


@pytest.mark.parametrize("what", ["weights", "history", "model"])
def test_what_each_repeat_has_of_its_own_is_not_the_runs(runs, what):
    run = read_run(runs / "several")
    with pytest.raises(
        InputError, match=rf"{what}: this run has 2 repeats, .*repeats\[0\]\.{what}"
    ):
        getattr(run, what)
    assert getattr(run.repeats[0], what) is not None


def test_it_is_shown_in_a_line(runs):
    run = read_run(runs / "single")
    shown = f"objective {run.objective:.4g}, accuracy {run.metrics['accuracy']:.4g}"
    assert repr(run).startswith(f"Run({str(runs / 'single')!r}: completed, {shown}")
    assert repr(run).endswith("3 epochs)")


def test_one_that_ended_badly_says_why(tmp_path):
    RunRecord(tmp_path, "abc", 0, status=Outcome.FAILED, error="ValueError: no").write()
    assert repr(Run(tmp_path)) == f"Run({str(tmp_path)!r}: failed, ValueError: no)"


def test_one_that_has_just_begun_has_nothing_else(tmp_path):
    RunRecord(tmp_path, "abc", 0).write()
    RunFolder(tmp_path).write_config({"repeats": 2, "seed": 7})
    run = read_run(tmp_path)
    assert (run.outcome, run.objective, run.metrics, run.figures) == ("running", None, {}, {})
    assert run.repeats == []
    with pytest.raises(
        InputError, match=r"no checkpoints/best\.ckpt in this run \(it is running\)"
    ):
        run.model  # noqa: B018


# ---------------------------------------------------------------- what is no run


def test_a_config_that_is_gone_or_damaged_is_named(tmp_path):
    RunRecord(tmp_path, "abc", 0).write()
    with pytest.raises(InputError, match=r"no \.hydra/config\.yaml in this run"):
        read_run(tmp_path).config  # noqa: B018
    RunFolder(tmp_path).config.parent.mkdir()
    RunFolder(tmp_path).config.write_text("a: [")
    with pytest.raises(InputError, match=r"config\.yaml: not a config"):
        read_run(tmp_path).config  # noqa: B018


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; expected that of a run"):
        read_run(tmp_path / "nowhere")
    (tmp_path / "result.json").write_text(
        json.dumps({"format": 99, "status": "new", "config_hash": "", "metrics": {}})
    )
    with pytest.raises(InputError, match="of format 99"):
        read_run(tmp_path)

"""Runs with repeats through the command line: what they leave behind."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from scyan_exp import annotate
from tests.fleet.sweeps import assert_same_training
from tests.results.test_consensus import plain_weights
from tests.run import repeats
from tests.run.conftest import RUN_FILES
from tests.run.test_run import QUICK, read_result
from tests.run.test_wandb import history, inspect, runs_of, summary

train = repeats.train

SEEDS = (7, 8, 9)
#: Runs at whose end nearly all cells are annotated.
LONGER = (*QUICK, "trainer.max_epochs=15")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run with three repeats, tracked by W&B; single runs beside it."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("repeats") / "run"
    arguments = ("repeats=3", "seed=7", "tags=[blood]", "group=mine", "name=three")
    tracked = [one for one in LONGER if not one.startswith(("logger", "figures"))]
    assert main(["train", *tracked, *arguments, f"hydra.run.dir={folder}"]) == 0
    for seed in SEEDS:
        alone = folder.with_name(f"alone{seed}")
        draw = "figures.draw=all" if seed == SEEDS[0] else "figures.draw=none"
        assert main(["train", *LONGER, draw, f"seed={seed}", f"hydra.run.dir={alone}"]) == 0
    return folder


@pytest.fixture(scope="module")
def result(run) -> dict:
    return read_result(run)


@pytest.fixture(scope="module")
def members(run) -> list[dict]:
    """The members' own records."""
    return [read_result(run / f"seed_{seed}") for seed in SEEDS]


def test_the_run_folder_holds_members_and_consensus(run):
    assert {path.name for path in run.iterdir()} == {
        ".hydra",
        "annotated.h5ad",
        "figures",
        "result.json",
        "train.log",
        "wandb",
        *(f"seed_{seed}" for seed in SEEDS),
    }
    assert {path.stem for path in (run / "figures").iterdir()} == {
        "agreement",
        "confusion_matrix",
        "latent_expressions",
        "members",
        "population_counts",
        "threshold",
        "trust",
    }
    assert all(path.stat().st_size > 5000 for path in (run / "figures").iterdir())


@pytest.mark.parametrize("seed", SEEDS)
def test_each_member_is_a_run_of_its_own(run, seed):
    """The same files, weights and metrics as a single run with its seed."""
    folder, alone = run / f"seed_{seed}", run.with_name(f"alone{seed}")
    assert {path.name for path in folder.iterdir()} >= RUN_FILES
    assert {p.name for p in (folder / "figures").iterdir()} == {
        p.name for p in (run.with_name(f"alone{SEEDS[0]}") / "figures").iterdir()
    }
    assert_same_training(folder, alone)
    ours, theirs = read_result(folder), read_result(alone)
    for name in ("status", "metrics", "seed", "epochs", "objective", "config_hash", "repeats"):
        assert ours[name] == theirs[name], name
    config = OmegaConf.load(folder / ".hydra" / "config.yaml")
    assert (config.seed, config.repeats) == (seed, 1)


def test_the_record_has_means_and_standard_deviations(result, members):
    assert result["status"] == "completed"
    assert result["error"] is None
    assert result["seed"] == 7
    assert result["epochs"] == sum(one["epochs"] for one in members) == 45
    assert result["fit_seconds"] == pytest.approx(sum(one["fit_seconds"] for one in members))
    assert result["metrics"].keys() == members[0]["metrics"].keys()
    assert result["repeats"]["std"].keys() == result["metrics"].keys()
    for name, mean in result["metrics"].items():
        values = [one["metrics"][name] for one in members]
        assert mean == pytest.approx(statistics.mean(values)), name
        expected = statistics.stdev(values)
        assert result["repeats"]["std"][name] == pytest.approx(expected, abs=1e-12), name
    own = [one["objective"] for one in members]
    assert result["objective"] == pytest.approx(statistics.mean(own))
    assert len(set(own)) == 3


def test_the_record_has_each_member_with_its_weight(result, members):
    listed = result["repeats"]["members"]
    assert [one["seed"] for one in listed] == list(SEEDS)
    assert [one["folder"] for one in listed] == [f"seed_{seed}" for seed in SEEDS]
    assert [one["metrics"] for one in listed] == [one["metrics"] for one in members]
    agreements = np.array([one["metrics"]["table_agreement"] for one in members])
    weights = [one["weight"] for one in listed]
    np.testing.assert_allclose(weights, plain_weights(agreements), atol=1e-9)


def test_the_record_has_the_metrics_of_the_consensus(run, result):
    own = result["repeats"]["consensus"]
    assert own.keys() == {*result["metrics"], "agreement"} - {"loss"}
    obs = anndata.read_h5ad(run / "annotated.h5ad").obs
    assert own["agreement"] == pytest.approx(obs["scyan_agreement"].mean(), abs=1e-5)
    alike = obs["scyan_pop"].astype(str) == obs["population"].astype(str)
    unannotated = obs["scyan_pop"].isna().mean()  # are scored all the same
    assert alike.mean() <= own["accuracy"] <= alike.mean() + unannotated < alike.mean() + 0.1


def test_annotated_cells_have_consensus_agreement_and_members(run, result):
    obs = anndata.read_h5ad(run / "annotated.h5ad").obs
    assert np.isfinite(obs["scyan_log_prob"]).all()
    agreement, everywhere = 0.0, obs["scyan_pop"].notna()
    for one in result["repeats"]["members"]:
        own = anndata.read_h5ad(run / one["folder"] / "annotated.h5ad").obs["scyan_pop"]
        column = obs[f"scyan_pop_{one['folder']}"]
        assert column.astype(str).tolist() == own.astype(str).tolist()
        assert column.cat.categories.tolist() == own.cat.categories.tolist()
        agreement = agreement + one["weight"] * (own.astype(str) == obs["scyan_pop"].astype(str))
        everywhere &= own.notna()
    found = obs["scyan_agreement"]
    assert found.between(0, 1 + 1e-6).all()
    np.testing.assert_allclose(found[everywhere], agreement[everywhere], atol=1e-5)
    assert everywhere.mean() > 0.8
    assert (found[everywhere] < 0.999).any()


def test_the_folder_annotates_the_same_cells_alike(run):
    adata = anndata.read_h5ad(run / "annotated.h5ad")
    before = adata.obs.copy()
    annotate(run, adata)
    pd.testing.assert_frame_equal(adata.obs, before, rtol=1e-4, atol=1e-4)


def test_the_log_tells_weights_means_and_the_consensus(run, result):
    log = (run / "train.log").read_text()
    repeats = result["repeats"]
    for one in repeats["members"]:
        assert f"seed {one['seed']}: {one['weight']:.2f}" in log
    mean, std = result["metrics"]["accuracy"], repeats["std"]["accuracy"]
    assert f"{mean:.4f} ({std:.4f})" in log
    assert f"{repeats['consensus']['accuracy']:.4f}" in log
    assert log.rstrip().endswith(f"Results: {run}")


def test_wandb_has_a_run_of_each_member_and_one_of_all(run, result):
    (path,) = runs_of(run)
    seen = summary(path)
    assert (seen["name"], seen["state"], seen["exit_code"]) == ("three", "finished", 0)
    assert seen["run_id"] == result["wandb_run_id"]
    assert seen["config"]["repeats"] == 3
    repeats = result["repeats"]
    expected = dict(result["metrics"])
    expected |= {f"std/{name}": value for name, value in repeats["std"].items()}
    expected |= {f"consensus/{name}": value for name, value in repeats["consensus"].items()}
    for name, value in expected.items():
        assert seen["summary"][name] == pytest.approx(value), name
    assert {"figures/members", "figures/agreement"} <= set(seen["summary"])
    ids = {seen["run_id"]}
    for seed in SEEDS:
        (path,) = runs_of(run / f"seed_{seed}")
        assert len(history(path)) == 15
        own = summary(path)
        assert (own["name"], own["exit_code"]) == (f"three seed={seed}", 0)
        assert own["config"]["seed"] == seed
        (one,) = [r for r in map(json.loads, inspect(path).splitlines()) if r["type"] == "run"]
        assert one["run"]["run_group"] == "mine"
        assert one["run"]["tags"] == ["blood"]
        ids.add(own["run_id"])
    assert len(ids) == 4


def test_several_objectives_have_a_mean_each(train, tmp_path):
    code, output = train("repeats=2", "objective=[heuristic,loss]", "trainer.max_epochs=1")
    assert code == 0, output
    result = read_result(tmp_path / "run")
    assert result["objective"] == [result["metrics"][name] for name in ("heuristic", "loss")]


def test_one_repeat_is_a_run_as_ever(train, run, tmp_path):
    code, output = train("repeats=1", "seed=7", "trainer.max_epochs=15")
    assert code == 0, output
    assert_same_training(tmp_path / "run", run.with_name("alone7"))
    assert read_result(tmp_path / "run")["repeats"] is None
    assert not list((tmp_path / "run").glob("seed_*"))


@pytest.mark.slow
def test_a_sweep_of_the_basic_launcher_has_repeats_and_goes_on(scyan_exp, tmp_path):
    sweep = tmp_path / "sweep"
    command = ["train", "-m", *QUICK, "trainer.max_epochs=1", "repeats=2", "seed=0,10"]
    code, output = scyan_exp(*command, f"hydra.sweep.dir={sweep}")
    assert code == 0, output
    results = [read_result(sweep / job) for job in "01"]
    seeds = [[one["seed"] for one in result["repeats"]["members"]] for result in results]
    assert seeds == [[0, 1], [10, 11]]
    files = {path: path.stat().st_mtime_ns for path in sweep.rglob("*.ckpt")}
    (sweep / "1" / "result.json").unlink()
    code, output = scyan_exp(*command, f"hydra.sweep.dir={sweep}")
    assert code == 0, output
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("*.ckpt")} == files
    again = read_result(sweep / "1")
    assert again["metrics"] == results[1]["metrics"]
    assert again["repeats"] == results[1]["repeats"]


@pytest.mark.slow
def test_members_may_train_on_several_processes(train, tmp_path):
    code, output = train("repeats=2", "trainer=ddp", "trainer.max_epochs=2")
    assert code == 0, output
    result = read_result(tmp_path / "run")
    assert result["epochs"] == 4
    assert result["repeats"]["consensus"]["accuracy"] > 0.3

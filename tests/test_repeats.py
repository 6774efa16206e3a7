"""Runs with repeats through the command line: what they leave behind, and how they end."""

from __future__ import annotations

import json
import shutil
import signal
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from scyan_exp import annotate
from scyan_exp.errors import InputError
from tests.results.test_consensus import plain_weights
from tests.sweep.test_fleet import assert_same_training
from tests.test_resume import start, wait_for_epoch
from tests.test_run import QUICK, read_result
from tests.test_wandb import history, inspect, runs_of, summary

SEEDS = (7, 8, 9)
#: Runs at whose end nearly all cells are annotated.
LONGER = (*QUICK, "trainer.max_epochs=15")
#: Files that a member has as a single run has them.
RUN_FILES = {
    ".hydra",
    "annotated.h5ad",
    "checkpoints",
    "figures",
    "metrics.csv",
    "population_weights.csv",
    "result.json",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run with three repeats, tracked by W&B; single runs beside it."""
    from scyan_exp.cli import main

    folder = tmp_path_factory.mktemp("repeats") / "run"
    arguments = ("repeats=3", "seed=7", "tags=[blood]", "group=mine", "name=three")
    tracked = [one for one in LONGER if not one.startswith("logger")]
    assert main(["train", *tracked, *arguments, f"hydra.run.dir={folder}"]) == 0
    for seed in SEEDS:
        alone = folder.with_name(f"alone{seed}")
        assert main(["train", *LONGER, f"seed={seed}", f"hydra.run.dir={alone}"]) == 0
    return folder


@pytest.fixture(scope="module")
def result(run) -> dict:
    return read_result(run)


@pytest.fixture(scope="module")
def members(run) -> list[dict]:
    """The members' own records."""
    return [read_result(run / f"seed_{seed}") for seed in SEEDS]


Train = Callable[..., tuple[int, str]]


@pytest.fixture
def train(scyan_exp, tmp_path) -> Train:
    """Train into the folder ``run``: exit code and output."""

    def call(*arguments: str) -> tuple[int, str]:
        return scyan_exp("train", *QUICK, f"hydra.run.dir={tmp_path / 'run'}", *arguments)

    return call


# ---------------------------------------------------------------- what is left behind


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
    }
    assert all(path.stat().st_size > 5000 for path in (run / "figures").iterdir())


@pytest.mark.parametrize("seed", SEEDS)
def test_each_member_is_a_run_of_its_own(run, seed):
    """The same files, weights and metrics as a single run with its seed."""
    folder, alone = run / f"seed_{seed}", run.with_name(f"alone{seed}")
    assert {path.name for path in folder.iterdir()} >= RUN_FILES
    assert {p.name for p in (folder / "figures").iterdir()} == {
        p.name for p in (alone / "figures").iterdir()
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


# ---------------------------------------------------------------- cut off, and gone on


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """All files with their times, but for those that W&B appends to at its end."""
    files = [path for path in folder.rglob("*") if path.is_file() and "wandb" not in path.parts]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


TWO = ("repeats=2", "logger=none", "trainer.max_epochs=6", "model.batch_size=50")


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Path:
    """The same run as the ones that are cut off, left alone."""
    folder = tmp_path_factory.mktemp("uncut") / "run"
    process = start(folder, *TWO)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return folder


def cut_in_second(folder: Path, number: int) -> tuple[subprocess.Popen, str]:
    """Send a signal to the run while its second member trains."""
    process = start(folder, *TWO)
    wait_for_epoch(process, folder / "seed_1", 2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    return process, output


def go_on(folder: Path, uncut: Path) -> None:
    """The same command again: the first is kept, the second continues, the end is the same."""
    kept = contents(folder / "seed_0")
    process = start(folder, *TWO)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert contents(folder / "seed_0") == kept
    assert "seed 0: completed earlier" in output
    assert "Continuing from" in output
    for seed in (0, 1):
        assert_same_training(folder / f"seed_{seed}", uncut / f"seed_{seed}")
    ours, theirs = read_result(folder), read_result(uncut)
    for name in ("status", "metrics", "objective", "epochs", "config_hash", "repeats", "error"):
        assert ours[name] == theirs[name], name


def test_killed_in_its_second_member_a_run_goes_on_there(tmp_path, uncut):
    folder = tmp_path / "run"
    process, output = cut_in_second(folder, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, output
    assert not (folder / "annotated.h5ad").exists()
    go_on(folder, uncut)


@pytest.mark.slow
def test_ctrl_c_saves_the_member_and_the_same_command_goes_on(tmp_path, uncut):
    folder = tmp_path / "run"
    process, output = cut_in_second(folder, signal.SIGINT)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert read_result(folder)["status"] == "interrupted"
    assert read_result(folder / "seed_0")["status"] == "completed"
    assert read_result(folder / "seed_1")["status"] == "interrupted"
    assert (folder / "seed_1" / "annotated.h5ad").exists()
    assert not (folder / "annotated.h5ad").exists()
    go_on(folder, uncut)


def test_a_completed_run_trains_nothing_again(train, tmp_path):
    arguments = ("repeats=2", "trainer.max_epochs=1")
    assert train(*arguments)[0] == 0
    before, result = contents(tmp_path / "run"), read_result(tmp_path / "run")
    code, output = train(*arguments)
    assert code == 0
    assert output.count("completed earlier") == 2
    after = contents(tmp_path / "run")
    for path, content in before.items():
        assert "seed_" not in str(path) or after[path] == content
    again = read_result(tmp_path / "run")
    assert (again["metrics"], again["repeats"]) == (result["metrics"], result["repeats"])


def test_more_repeats_keep_those_that_are_there(train, tmp_path):
    assert train("repeats=2", "trainer.max_epochs=1")[0] == 0
    kept = contents(tmp_path / "run" / "seed_1")
    code, output = train("repeats=3", "trainer.max_epochs=1")
    assert code == 0, output
    assert contents(tmp_path / "run" / "seed_1") == kept
    assert [one["seed"] for one in read_result(tmp_path / "run")["repeats"]["members"]] == [0, 1, 2]


def test_members_of_another_config_are_trained_again(train, tmp_path):
    assert train("repeats=2", "trainer.max_epochs=1")[0] == 0
    before = contents(tmp_path / "run" / "seed_0")
    code, output = train("repeats=2", "trainer.max_epochs=2")
    assert code == 0, output
    assert contents(tmp_path / "run" / "seed_0") != before
    assert read_result(tmp_path / "run")["epochs"] == 4


# ---------------------------------------------------------------- failures


def test_a_member_that_diverges_makes_the_run_fail_with_its_error(train, tmp_path):
    code, output = train("repeats=3", "model.lr=1e30")
    assert code == 1
    result = read_result(tmp_path / "run")
    assert result["status"] == "failed"
    assert "loss became" in result["error"]
    assert result["error"] == read_result(tmp_path / "run" / "seed_0")["error"]
    assert result["objective"] is None
    assert not (tmp_path / "run" / "annotated.h5ad").exists()
    assert not (tmp_path / "run" / "seed_1").exists()
    assert "seed 0" in output


def test_a_run_that_fails_shows_nothing_of_an_earlier_one(train, tmp_path):
    """A folder used again must not show the results of one run beside the record of another."""
    assert train("repeats=2", "trainer.max_epochs=1")[0] == 0
    assert train("repeats=2", "trainer.max_epochs=1", "model.lr=1e30")[0] == 1
    assert read_result(tmp_path / "run")["status"] == "failed"
    assert not (tmp_path / "run" / "annotated.h5ad").exists()
    assert not (tmp_path / "run" / "figures").exists()


def test_a_run_whose_first_member_a_search_pruned_is_pruned(train, tmp_path):
    """The others are not trained, and it is no failure."""
    assert train("repeats=2", "trainer.max_epochs=1")[0] == 0
    path = tmp_path / "run" / "seed_0" / "result.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "status": "pruned", "objective": None}))
    shutil.rmtree(tmp_path / "run" / "seed_1")
    code, output = train("repeats=2", "trainer.max_epochs=1")
    assert code == 0, output
    result = read_result(tmp_path / "run")
    assert (result["status"], result["objective"], result["error"]) == ("pruned", None, None)
    assert not (tmp_path / "run" / "seed_1").exists()


def test_a_single_run_in_the_folder_of_repeats_takes_it_over(train, tmp_path):
    assert train("repeats=2", "trainer.max_epochs=1")[0] == 0
    assert train("trainer.max_epochs=1")[0] == 0
    result = read_result(tmp_path / "run")
    assert (result["status"], result["repeats"]) == ("completed", None)
    adata = anndata.read_h5ad(tmp_path / "run" / "annotated.h5ad")
    assert "scyan_agreement" not in adata.obs
    annotate(tmp_path / "run", adata)
    assert "scyan_agreement" not in adata.obs


def test_repeats_in_the_folder_of_a_single_run_take_it_over(train, tmp_path):
    assert train("trainer.max_epochs=1")[0] == 0
    assert train("repeats=2", "trainer.max_epochs=1")[0] == 0
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert not left & {"checkpoints", "metrics.csv", "population_weights.csv"}
    assert train("repeats=2", "model.lr=1e30")[0] == 1
    with pytest.raises(InputError):
        annotate(tmp_path / "run", anndata.read_h5ad(tmp_path / "run/seed_1/annotated.h5ad"))


def test_while_it_trains_its_record_is_not_that_of_an_earlier_run(tmp_path):
    """As in a single run: the record is written at the start, too."""
    folder = tmp_path / "run"
    short = ("dataset.n_cells=2000", "trainer.max_epochs=1", "model.batch_size=500")
    process = start(folder, *TWO, *short)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    process = start(folder, *TWO, "trainer.max_epochs=1000")
    try:
        wait_for_epoch(process, folder / "seed_0", 3)
        assert read_result(folder)["status"] == "running"
        assert read_result(folder)["repeats"] is None
    finally:
        process.kill()
        process.communicate()
    assert not (folder / "annotated.h5ad").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["repeats=0"], "repeats: expected a number greater than or equal to 1, found 0"),
        (["repeats=1.5"], "repeats: expected an integer, found 1.5"),
        (["repeats=null"], "repeats"),
        (["repeats=2", "ckpt_path=last.ckpt"], "ckpt_path: is of one training"),
        (["repeats=2", "seed=4294967295"], "seed"),
        (["repeats=2", "objective=ilisi"], "objective: 'ilisi' needs batches"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_folder(train, tmp_path, arguments, message):
    code, output = train(*arguments)
    assert code == 2, output
    assert message in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


def test_cells_that_cannot_be_read_are_refused_and_leave_no_folder(scyan_exp, table_file, tmp_path):
    cells = ["dataset=h5ad", "dataset.path=none.h5ad", f"table.path={table_file}"]
    code, output = scyan_exp("train", "repeats=2", *cells, f"hydra.run.dir={tmp_path / 'run'}")
    assert code == 2, output
    assert "none.h5ad" in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()

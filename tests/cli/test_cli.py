"""The command line: help, exit codes, what it imports, sweeps and failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import scyan_exp as package
from tests.run.test_wandb import summary as wandb_summary

REPOSITORY = Path(__file__).parents[2]
QUICK = ("experiment=smoke", "dataset.n_cells=1000", "trainer.max_epochs=1", "logger=none")
QUICK = (*QUICK, "figures.draw=none")
HEAVY = ("torch", "pytorch_lightning", "wandb", "anndata")
WAYS = {
    "console script": [str(Path(sys.executable).with_name("scyan-exp")), "train"],
    "python -m": [sys.executable, "-m", "scyan_exp", "train"],
    "scripts/train.py": [sys.executable, str(REPOSITORY / "scripts" / "train.py")],
}


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"]])
def test_help_names_commands_and_examples(scyan_exp, arguments):
    code, output = scyan_exp(*arguments)
    assert code == 0
    assert "train" in output
    assert "scyan-exp train dataset=h5ad dataset.path=" in output


def test_version(scyan_exp):
    assert scyan_exp("--version") == (0, f"scyan-exp {package.__version__}\n")


def test_an_unknown_command_names_its_near_match(scyan_exp):
    code, output = scyan_exp("trian")
    assert code == 2
    assert "'trian'" in output
    assert "Did you mean 'train'?" in output


def test_an_internal_command_is_not_suggested(scyan_exp):
    code, output = scyan_exp("ddp")
    assert code == 2
    assert "ddp-peer" not in output


def test_the_help_of_train_lists_groups_and_options(scyan_exp):
    code, output = scyan_exp("train", "--help")
    assert code == 0
    for line in ("flow: deep, default, shallow", "prior: default, loose, tight", "prior_std: 0.3"):
        assert line in output


@pytest.mark.parametrize(
    "statement",
    [
        "import scyan_exp",
        "from scyan_exp.cli.main import main; main(['--help'])",
        "from scyan_exp.cli.main import main; main(['train', '--cfg', 'job', '--resolve'])",
        "from scyan_exp.cli.main import main; main(['train', 'model.lr=-1', 'flow=depp'])",
    ],
)
def test_nothing_heavy_is_imported_before_something_is_trained(statement, tmp_path):
    code = f"import sys; {statement}; print('HEAVY', *({set(HEAVY)} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "HEAVY"


@pytest.mark.parametrize("way", WAYS)
def test_all_ways_to_start_are_the_same(way, tmp_path, scyan_exp):
    arguments = ["prior=tight", "seed=3", "--cfg", "job"]
    done = subprocess.run([*WAYS[way], *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == scyan_exp("train", *arguments)
    bad = subprocess.run([*WAYS[way], "prior=tigth"], cwd=tmp_path, capture_output=True, text=True)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "Did you mean 'tight'?" in bad.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_new_process_trains_and_ends_with_zero(tmp_path):
    command = [*WAYS["console script"], *QUICK, "figures.draw=all", "hydra.run.dir=run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["status"] == "completed"
    assert "Results: " in done.stderr
    assert "Warning" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_that_fails_is_recorded_and_its_wandb_run_is_finished(scyan_exp, tmp_path):
    arguments = (*QUICK, "model.lr=1e30", "logger=wandb", "hydra.run.dir=run")
    code, output = scyan_exp("train", *arguments)
    assert code == 1
    record = result(tmp_path / "run")
    assert record["status"] == "failed"
    assert "loss became nan" in record["error"]
    assert record["error"].removeprefix("TrainingDiverged: ") in output
    assert "Traceback" not in output
    assert "try a smaller model.lr" in (tmp_path / "run" / "train.log").read_text()
    (kept,) = (tmp_path / "run").rglob("*.wandb")
    assert kept.stem == f"run-{record['wandb_run_id']}"
    assert wandb_summary(kept)["state"] == "failed"
    assert wandb_summary(kept)["exit_code"] == 1


def test_a_sweep_leaves_a_whole_folder_and_one_wandb_run_a_job(scyan_exp, tmp_path):
    arguments = (*QUICK, "logger=wandb", "hydra.sweep.dir=sweep")
    code, output = scyan_exp("train", "-m", *arguments, "seed=0,1")
    assert code == 0, output
    folders = [tmp_path / "sweep" / str(i) for i in (0, 1)]
    records = [result(folder) for folder in folders]
    assert [r["status"] for r in records] == ["completed"] * 2
    assert [r["seed"] for r in records] == [0, 1]
    assert len({r["wandb_run_id"] for r in records}) == 2
    for folder, record in zip(folders, records, strict=True):
        (own,) = folder.rglob("*.wandb")
        assert own.stem == f"run-{record['wandb_run_id']}"
        assert wandb_summary(own)["state"] == "finished"
        text = (folder / "train.log").read_text()
        assert text.count("Results: ") == 1
        assert f"Results: {folder}" in text
    assert len(list(tmp_path.rglob("*.wandb"))) == 2


def test_a_job_with_wrong_input_does_not_sink_its_sweep(scyan_exp, tmp_path):
    arguments = (*QUICK, "dataset.n_cells=5,1000", "hydra.sweep.dir=sweep")
    code, output = scyan_exp("train", "-m", *arguments)
    assert code == 1
    assert "Traceback" not in output
    assert output.count("5 cells are fewer than the 13 populations") == 1
    text = (tmp_path / "sweep" / "0" / "train.log").read_text()
    assert "5 cells are fewer than the 13 populations" in text
    assert result(tmp_path / "sweep" / "1")["status"] == "completed"


def test_a_job_that_fails_in_training_does_not_sink_its_sweep(scyan_exp, tmp_path):
    arguments = (*QUICK, "model.lr=1e30,0.001", "hydra.sweep.dir=sweep")
    code, output = scyan_exp("train", "-m", *arguments)
    assert code == 1
    assert "loss became nan" in output
    assert "loss became nan" in (tmp_path / "sweep" / "0" / "train.log").read_text()
    assert result(tmp_path / "sweep" / "0")["status"] == "failed"
    assert result(tmp_path / "sweep" / "1")["status"] == "completed"


def test_the_resolved_config_is_kept(scyan_exp, tmp_path):
    code, output = scyan_exp("train", *QUICK, "name=run-${seed}", "hydra.run.dir=run")
    assert code == 0, output
    assert "name: run-0\n" in (tmp_path / "run" / ".hydra" / "config.yaml").read_text()


def test_the_help_of_train_names_groups_config_and_examples(scyan_exp):
    code, output = scyan_exp("train", "--help")
    assert code == 0
    for part in ("or a sweep with -m", "flow: deep, default, shallow", "prior_std: 0.3"):
        assert part in output
    assert "dataset=h5ad dataset.path=cells.h5ad table.path=table.csv" in output

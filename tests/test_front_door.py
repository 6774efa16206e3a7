"""``scyan_exp.run`` and its neighbours: what a notebook does."""

from __future__ import annotations

import inspect
import json
import logging
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import hydra
import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

import scyan_exp
from scyan_exp.cli.main import main
from scyan_exp.config.overrides import as_override
from scyan_exp.errors import InputError, OutputError, TrainingDiverged
from scyan_exp.run.folder import RunFolder
from tests.fleet.sweeps import ended, until
from tests.starting import Process, finished

ROOT = Path(__file__).parents[1]
QUICK = {
    "dataset.n_cells": 300,
    "flow": "shallow",
    "model.batch_size": 50,
    "trainer.max_epochs": 3,
    "callbacks": "none",
    "logger": "none",
    "figures.draw": ["loss"],
}
TYPED = [as_override(key, value) for key, value in QUICK.items()]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> scyan_exp.Run:
    return scyan_exp.run(QUICK, tmp_path_factory.mktemp("front") / "a folder, with 'quotes'")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_leaves_what_the_command_line_leaves(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TYPED, "hydra.run.dir=typed"]) == 0
    typed = scyan_exp.read_run(tmp_path / "typed")
    assert files(run.folder) == files(typed.folder)
    assert run.config == typed.config
    assert run.metrics == typed.metrics
    pd.testing.assert_frame_equal(run.weights, typed.weights)
    pd.testing.assert_frame_equal(run.cells.obs, typed.cells.obs)
    overrides = (run.folder / ".hydra" / "overrides.yaml").read_text()
    assert overrides == (typed.folder / ".hydra" / "overrides.yaml").read_text()


def test_every_file_has_a_name_in_one_place(run):
    folder = RunFolder(run.folder)
    names = [name for name, value in vars(RunFolder).items() if isinstance(value, property)]
    named = {getattr(folder, name) for name in names}
    paths = [path for path in run.folder.rglob("*") if path.is_file()]
    assert not [path for path in paths if not named & {path, *path.parents}]


def test_without_a_folder_it_goes_where_the_command_line_puts_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = scyan_exp.run(" ".join([*TYPED, "tags='[one word, another]'"]))
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/[\d-]+", str(run.folder.relative_to(tmp_path)))
    assert list(run.config.tags) == ["one word", "another"]


def test_it_is_seen_as_it_is_read(run):
    assert repr(run) == repr(scyan_exp.read_run(run.folder))
    assert run.outcome == "completed"
    assert run.objective == run.metrics["table_fit"]


def test_groups_of_ones_own(tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - override /flow: deep\nmodel: {hidden_size: 3}\n"
    (tmp_path / "mine" / "experiment" / "wide.yaml").write_text(text)
    small = {key: value for key, value in QUICK.items() if key != "flow"}
    overrides = {**small, "trainer.max_epochs": 1, "experiment": "wide"}
    run = scyan_exp.run(overrides, tmp_path / "run", config_dirs=[tmp_path / "mine"])
    assert run.config.model.hidden_size == 3


# ---------------------------------------------------------------- what is wrong


def test_everything_wrong_is_said_at_once_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        scyan_exp.run(["seed=0,1", "search=quick", "--multirun", "flow=dep", "model.prior_st=1"])
    assert raised.value.problems == [
        "seed=0,1: several values are a sweep, which is run on the command line: "
        "scyan-exp train -m seed=0,1 (a list is written seed=[0,1])",
        "search=quick: a search is run on the command line: scyan-exp train -m search=quick",
        "--multirun: expected key=value; options belong to the command line",
        "flow=dep: no such option. Did you mean 'deep'? flow can be deep, default, shallow",
        "model.prior_st: unknown key. Did you mean 'model.prior_std'?",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model.prior_std": -1}, "model.prior_std: "),
        ({"seed": [0, 1]}, "seed: "),
        ({"model.prior_std": "0.1,0.2"}, "model.prior_std: "),
        (["seed=range(0,3)"], "several values are a sweep"),
        (["flow=glob(*)"], "several values are a sweep"),
        (["a b"], "a b: "),
        ({"hydra.launcher._target_": "os.system"}, "'os.system' is not allowed"),
        ("dataset=h5ad dataset.path=nowhere.h5ad table.path=t.csv", "t.csv: no such file"),
    ],
)
def test_wrong_input_is_refused(tmp_path, overrides, message):
    with pytest.raises(InputError) as raised:
        scyan_exp.run(overrides, tmp_path / "run")
    assert message in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_groups_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="--config-dir: no such folder: nowhere"):
        scyan_exp.run(QUICK, tmp_path / "run", config_dirs=["nowhere"])


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        scyan_exp.run(QUICK, tmp_path / "file" / "run")


def test_a_failed_run_raises_its_error(tmp_path):
    with pytest.raises(TrainingDiverged, match="the loss became"):
        scyan_exp.run({**QUICK, "model.lr": 1e30}, tmp_path / "run")
    run = scyan_exp.read_run(tmp_path / "run")
    assert run.outcome == "failed"
    assert "the loss became" in repr(run)


STOPPED = """
import signal
import scyan_exp
signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a script
try:
    scyan_exp.run({arguments!r}, "run")
except KeyboardInterrupt:
    print(scyan_exp.read_run("run"))
"""


def test_the_stop_button_keeps_the_results_so_far(tmp_path):
    endless = [*TYPED, "dataset.n_cells=3000", "trainer.max_epochs=100000"]
    code = STOPPED.format(arguments=endless)
    (tmp_path / "stopped.py").write_text(code)
    process = Process([str(tmp_path / "stopped.py")], cwd=tmp_path)
    until((tmp_path / "run" / "population_weights.csv").exists, process, "epoch")
    process.send_signal(signal.SIGINT)
    assert "Run('run': interrupted, objective " in ended(process)


# ---------------------------------------------------------------- a guest in the process


def test_the_process_is_as_before(tmp_path, monkeypatch):
    root, arguments = logging.getLogger(), ["notebook"]
    handlers, level, filters = list(root.handlers), root.level, list(warnings.filters)
    monkeypatch.setattr(sys, "argv", arguments)
    with hydra.initialize(version_base="1.3", config_path=None):
        own = GlobalHydra.instance().hydra
        scyan_exp.run({**QUICK, "trainer.max_epochs": 1}, tmp_path / "run")
        assert GlobalHydra.instance().hydra is own
    assert sys.argv is arguments
    assert (root.handlers, root.level) == (handlers, level)
    assert warnings.filters == filters
    assert (tmp_path / "run" / "train.log").read_text()


FRESH = """
import sys
import scyan_exp
{first}
assert "torch" not in sys.modules and "pandas" not in sys.modules
import scyan_exp.run.job
from scyan_exp.run.folder import RunFolder
assert scyan_exp.run.job.DONE == 0
assert callable(scyan_exp.run)
try:
    scyan_exp.run(["flow=dep"])
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("first", ["", "import scyan_exp.run.job", "call = scyan_exp.run"])
def test_it_is_called_like_the_package_beside_it(first, tmp_path):
    """``import scyan_exp.run.job`` binds ``scyan_exp.run`` to the package."""
    command = [sys.executable, "-c", FRESH.format(first=first)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("config: flow=dep: no such option. Did you mean 'deep'?")


def test_help_says_how_it_is_called():
    assert list(inspect.signature(scyan_exp.run).parameters) == [
        *("overrides", "folder", "config_dirs")
    ]
    assert 'scyan_exp.run(["flow=deep"])' in scyan_exp.run.__doc__
    for name in scyan_exp.__all__:
        assert getattr(scyan_exp, name) is not None


# ---------------------------------------------------------------- the page


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch):
    """``docs/python.md``, block after block, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"```(python|bash)\n(.*?)```", text, re.DOTALL)
    assert [language for language, _ in blocks].count("python") >= 5
    names: dict[str, object] = {}
    for language, code in blocks:
        if language == "bash":
            (program, *arguments) = code.split()
            assert program == "scyan-exp"
            finished(["-m", "scyan_exp", *arguments]).check_returncode()
        else:
            exec(compile(code, "docs/python.md", "exec"), names)
    assert names["best"].outcome == "completed"
    assert names["jobs"]["seed"].tolist() == [0, 1]
    shown = re.search(r"Run\('first': completed, .*", text)[0]
    assert re.sub(r"\d+\.\d+", "N", shown) == re.sub(
        r"\d+\.\d+", "N", repr(scyan_exp.read_run("first"))
    )
    record = json.loads(Path("first/result.json").read_text())
    assert record["epochs"] == 5

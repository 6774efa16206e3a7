"""Runs with repeats that are cut off and go on, fail, or are refused."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
from pathlib import Path

import anndata
import pytest

from scyan_exp import annotate
from scyan_exp.errors import InputError
from tests.conftest import CommandLine
from tests.fleet.sweeps import assert_same_training
from tests.run import repeats
from tests.run.test_resume import ARGUMENTS, environment, start, wait_for_epoch
from tests.run.test_run import QUICK, read_result
from tests.starting import Process, finished

train = repeats.train

TWO = (
    "repeats=2",
    "logger=none",
    "figures.draw=none",
    "trainer.max_epochs=15",
    "model.batch_size=100",
)
#: The run of ``two``.
SHORT = ("repeats=2", "trainer.max_epochs=1")


# ---------------------------------------------------------------- cut off, and gone on


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """All files with their times, but for those that W&B appends to at its end."""
    files = [path for path in folder.rglob("*") if path.is_file() and "wandb" not in path.parts]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Path:
    """The same run as the ones that are cut off, left alone."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("uncut") / "run"
    assert main(["train", *ARGUMENTS, *TWO, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def two_trained(tmp_path_factory) -> Path:
    """A completed run with two repeats of an epoch, and a figure."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("two") / "run"
    assert main(["train", *QUICK, *SHORT, "figures.draw=[trust]", f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def two(two_trained, tmp_path) -> Path:
    """A copy of it where ``train`` trains."""
    return Path(shutil.copytree(two_trained, tmp_path / "run"))


def cut_in_second(folder: Path, number: int) -> tuple[Process, str]:
    """Send a signal to the run while its second member trains.

    Its first epoch is written at once, the others once a second: after the second of these it may
    have ended.
    """
    process = start(folder, *TWO)
    wait_for_epoch(process, folder / "seed_1", 1)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    return process, output


def go_on(scyan_exp: CommandLine, folder: Path, uncut: Path) -> None:
    """The same command again: the first is kept, the second continues, the end is the same."""
    kept = contents(folder / "seed_0")
    code, output = scyan_exp("train", *ARGUMENTS, *TWO, f"hydra.run.dir={folder}")
    assert code == 0, output
    assert contents(folder / "seed_0") == kept
    assert "seed 0: completed earlier" in output
    assert "Continuing from" in (folder / "train.log").read_text()
    for seed in (0, 1):
        assert_same_training(folder / f"seed_{seed}", uncut / f"seed_{seed}")
    ours, theirs = read_result(folder), read_result(uncut)
    for name in ("status", "metrics", "objective", "epochs", "config_hash", "repeats", "error"):
        assert ours[name] == theirs[name], name


@pytest.mark.slow
def test_killed_in_its_second_member_a_run_goes_on_there(scyan_exp, tmp_path, uncut):
    folder = tmp_path / "run"
    process, output = cut_in_second(folder, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, output
    assert not (folder / "annotated.h5ad").exists()
    go_on(scyan_exp, folder, uncut)


@pytest.mark.slow
def test_ctrl_c_saves_the_member_and_the_same_command_goes_on(scyan_exp, tmp_path, uncut):
    folder = tmp_path / "run"
    process, output = cut_in_second(folder, signal.SIGINT)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert read_result(folder)["status"] == "interrupted"
    assert read_result(folder / "seed_0")["status"] == "completed"
    assert read_result(folder / "seed_1")["status"] == "interrupted"
    assert (folder / "seed_1" / "annotated.h5ad").exists()
    assert not (folder / "annotated.h5ad").exists()
    assert "1 of 2 repeats were finished: no consensus" in output
    go_on(scyan_exp, folder, uncut)


@pytest.mark.slow
def test_ctrl_c_after_two_repeats_combines_these_and_says_how_to_go_on(tmp_path):
    folder, three = tmp_path / "run", (*TWO, "repeats=3")
    process = start(folder, *three)
    wait_for_epoch(process, folder / "seed_2", 1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    result = read_result(folder)
    assert (result["status"], result["objective"]) == ("interrupted", None)
    assert [one["seed"] for one in result["repeats"]["members"]] == [0, 1]
    assert result["repeats"]["missing"] == [2]
    adata = anndata.read_h5ad(folder / "annotated.h5ad")
    assert {"scyan_pop_seed_0", "scyan_pop_seed_1", "scyan_agreement"} <= set(adata.obs)
    assert "scyan_pop_seed_2" not in adata.obs
    before = adata.obs["scyan_pop"].astype(str).tolist()
    annotate(folder, adata)
    assert adata.obs["scyan_pop"].astype(str).tolist() == before
    assert "incomplete: the consensus is of the 2 of 3 repeats that were finished" in output
    (again,) = re.findall("^To go on: scyan-exp train (.*)$", output, re.MULTILINE)
    command = ["-m", "scyan_exp", "train", *shlex.split(again)]
    finished(command, cwd=tmp_path, env=environment()).check_returncode()
    result = read_result(folder)
    assert (result["status"], "missing" in result["repeats"]) == ("completed", False)
    assert len(result["repeats"]["members"]) == 3


def test_each_repeat_is_a_line_on_the_terminal_and_whole_in_the_log(train, tmp_path):
    code, output = train("repeats=2", "trainer.max_epochs=2", "seed=3")
    assert code == 0, output
    line = r"^seed {}: 2 epochs, table_fit -?[\d.]+, table_agreement -?[\d.]+, [\d.]+ s$"
    for seed in (3, 4):
        assert len(re.findall(line.format(seed), output, re.MULTILINE)) == 1
    assert "epoch   1/2" not in output
    assert output.count("Results:") == 1
    log = (tmp_path / "run" / "train.log").read_text()
    assert log.count("epoch   1/2") == 2
    assert log.count("Results:") == 3


def test_a_completed_run_trains_nothing_again(train, tmp_path, two):
    arguments = ("repeats=2", "trainer.max_epochs=1")
    before, result = contents(tmp_path / "run"), read_result(tmp_path / "run")
    code, output = train(*arguments)
    assert code == 0
    assert output.count("completed earlier") == 2
    after = contents(tmp_path / "run")
    for path, content in before.items():
        assert "seed_" not in str(path) or after[path] == content
    again = read_result(tmp_path / "run")
    assert (again["metrics"], again["repeats"]) == (result["metrics"], result["repeats"])


def test_more_repeats_keep_those_that_are_there(train, tmp_path, two):
    kept = contents(tmp_path / "run" / "seed_1")
    code, output = train("repeats=3", "trainer.max_epochs=1")
    assert code == 0, output
    assert contents(tmp_path / "run" / "seed_1") == kept
    assert [one["seed"] for one in read_result(tmp_path / "run")["repeats"]["members"]] == [0, 1, 2]


def test_a_metric_that_not_all_repeats_have_has_no_mean(train, tmp_path, two):
    """Such as one of a package that was uninstalled meanwhile."""
    names = list(read_result(tmp_path / "run")["metrics"])
    file = tmp_path / "run" / "seed_0" / "result.json"
    record = json.loads(file.read_text())
    record["metrics"]["of_a_package"] = 1.0
    file.write_text(json.dumps(record))
    code, output = train("repeats=2", "trainer.max_epochs=1")
    assert code == 0, output
    assert list(read_result(tmp_path / "run")["metrics"]) == names


def test_members_of_another_config_are_trained_again(train, tmp_path, two):
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
    assert "seed 0 failed" in output


def test_a_run_that_fails_shows_nothing_of_an_earlier_one(train, tmp_path, two):
    """A folder used again must not show the results of one run beside the record of another."""
    assert (tmp_path / "run" / "figures").exists()
    assert train("repeats=2", "trainer.max_epochs=1", "model.lr=1e30")[0] == 1
    assert read_result(tmp_path / "run")["status"] == "failed"
    assert not (tmp_path / "run" / "annotated.h5ad").exists()
    assert not (tmp_path / "run" / "figures").exists()


def test_a_run_whose_first_member_a_search_pruned_is_pruned(train, tmp_path, two):
    """The others are not trained, and it is no failure."""
    path = tmp_path / "run" / "seed_0" / "result.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "status": "pruned", "objective": None}))
    shutil.rmtree(tmp_path / "run" / "seed_1")
    code, output = train("repeats=2", "trainer.max_epochs=1")
    assert code == 0, output
    result = read_result(tmp_path / "run")
    assert (result["status"], result["objective"], result["error"]) == ("pruned", None, None)
    assert not (tmp_path / "run" / "seed_1").exists()


@pytest.mark.slow
def test_a_single_run_in_the_folder_of_repeats_takes_it_over(train, tmp_path, two):
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


@pytest.mark.slow
def test_while_it_trains_its_record_is_not_that_of_an_earlier_run(tmp_path, two):
    """As in a single run: the record is written at the start, too."""
    folder = tmp_path / "run"
    assert (folder / "annotated.h5ad").exists()
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

"""The fleet as users start it: what a sweep that runs through says and leaves behind."""

from __future__ import annotations

import json
import os
import pty
import re
import select
from contextlib import suppress
from pathlib import Path

import pytest

from scyan_exp.run.read_sweep import read_sweep
from tests.fleet.sweeps import (
    PATIENCE,
    QUICK,
    TWO,
    assert_same_training,
    ended,
    no_process_is_left,
    write_experiments,
)
from tests.run.test_wandb import inspect, runs_of, summary


def test_a_sweep_completes_and_leaves_a_table_and_no_process(two_jobs):
    assert two_jobs.statuses == ["completed", "completed"]
    for row in two_jobs.rows:
        job = int(row["job"])
        assert float(row["objective"]) == two_jobs.result(job)["objective"]
        assert row["overrides"].endswith(f"seed={job}")
        assert row["folder"] == str(two_jobs.folder / str(job))
        assert row["device"].startswith("cpu:")
        assert two_jobs.log(job).count("Results: ") == 1
    no_process_is_left(two_jobs, seconds=0)


def test_without_a_terminal_there_is_no_bar_and_one_line_a_job(two_jobs):
    output = two_jobs.folder.with_name("output.txt").read_text()
    assert "2 jobs, 2 at a time" in output
    for absent in ("\x1b", "\r", "running", "epoch", "Traceback", "Warning"):
        assert absent not in output
    for job in (0, 1):
        (line,) = re.findall(rf"^#{job} .*", output, re.MULTILINE)
        assert re.fullmatch(rf"#{job} completed  [\d.]+ s on cpu:\d  \S+  seed={job}", line)
    assert re.search(r"^job +overrides +status", output, re.MULTILINE)
    assert len(re.findall(r"^\d .*completed", output, re.MULTILINE)) == 2


def test_a_job_says_nothing_on_the_terminal_of_the_sweep(two_jobs):
    assert "populations" not in two_jobs.folder.with_name("output.txt").read_text()
    assert "populations" in two_jobs.log(0)


def test_on_a_terminal_jobs_have_lines_and_the_table_ends_it(make_app):
    """Jobs of any program: nothing is trained for this."""
    app = make_app(body="time.sleep(0.5)\nreturn config.seed + 0.25", config="seed: 0\n")
    ours, theirs = pty.openpty()
    process = app.sweep("seed=0,1", TWO, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    with suppress(OSError):  # the other end is closed
        while select.select([ours], [], [], PATIENCE)[0] and (read := os.read(ours, 65536)):
            text += read
    os.close(ours)
    assert process.wait(PATIENCE) == 0, text
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text).decode().replace("\r", "\n")
    for job in (0, 1):
        assert re.search(rf"^#{job} completed  [\d.]+ s on cpu:\d  \S+  .*seed={job}", plain, re.M)
    assert "running" in plain
    table = plain[plain.index("job  overrides") :]
    assert table.count("completed") == 2


def test_a_job_that_has_not_begun_has_no_folder_and_is_known(make_app):
    app = make_app(body="raise ValueError('no')", config="seed: 0\n")
    stop = "hydra.launcher.on_failure=stop"
    output = ended(app.sweep("seed=0,1,2", "hydra.launcher.jobs_per_device=1", stop), code=1)
    assert "1 of 3 jobs failed (0), 2 not run" in output
    assert [path.name for path in app.folder.iterdir() if path.is_dir()] == ["0"]
    known = read_sweep(app.folder)
    assert known["outcome"].tolist() == ["failed", "not run", "not run"]
    assert known["seed"].tolist() == [0, 1, 2]


def own_cells(files: dict[str, Path]) -> list[str]:
    path = files["cells.h5ad"]
    return ["dataset=h5ad", f"dataset.path={path}", f"table.path={files['table.csv']}"]


def test_fleet_basic_launcher_and_single_runs_give_the_same_weights(make_sweep, files, scyan_exp):
    """Two jobs in one process of the fleet, which keeps the cells; each alone elsewhere."""
    cells = [*own_cells(files), "dataset.label_key=cell_type", "dataset.batch_key=batch"]
    arguments = [*cells, *QUICK[1:], "model.batch_size=100"]
    fleet, basic = make_sweep("fleet"), make_sweep("basic")
    ended(fleet.train(*arguments, "hydra.launcher.jobs_per_device=1", "seed=0,1"))
    code, output = scyan_exp(
        "train", "-m", *arguments, "seed=0,1", f"hydra.sweep.dir={basic.folder}"
    )
    assert code == 0, output
    for seed in range(2):
        alone = basic.folder.with_name(f"alone{seed}")
        code, output = scyan_exp("train", *arguments, f"seed={seed}", f"hydra.run.dir={alone}")
        assert code == 0, output
        metrics = json.loads((alone / "result.json").read_text())["metrics"]
        for one in (fleet, basic):
            assert_same_training(one.folder / str(seed), alone)
            assert one.result(seed)["metrics"] == metrics
    names = {path.name for path in (fleet.folder / "0").iterdir()}
    assert names == {path.name for path in alone.iterdir()}


@pytest.mark.slow
def test_a_job_is_not_changed_by_those_before_it_in_its_process(sweep, two_jobs):
    """Other cells, another flow and a failure come before the jobs of ``two_jobs``."""
    configs = sweep.folder.parent / "configs"
    same = "dataset: {n_cells: 600}"
    texts = ["dataset: {n_cells: 900}", f"{same}\nmodel: {{n_layers: 3}}", f"{same}\nseed: 0"]
    texts += [f"{same}\nmodel: {{lr: 1e30}}", f"{same}\nseed: 1"]
    arguments = [f"--config-dir={configs}", write_experiments(configs, texts), *QUICK[1:]]
    ended(sweep.train(*arguments, "hydra.launcher.jobs_per_device=1"), code=1)
    assert sweep.statuses == ["completed"] * 3 + ["failed", "completed"]
    for ours, theirs in ((2, 0), (4, 1)):
        assert_same_training(sweep.folder / str(ours), two_jobs.folder / str(theirs))


@pytest.mark.slow
def test_one_wandb_run_a_job_and_no_temporary_files_when_it_has_ended(
    sweep, tmp_path_factory, monkeypatch
):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    arguments = [one for one in QUICK if not one.startswith("logger")]
    ended(sweep.train(*arguments, TWO, "seed=0,1,2", "logger=wandb"))
    for job in range(3):
        (path,) = runs_of(sweep.folder / str(job))
        seen = summary(path)
        assert seen["run_id"] == sweep.result(job)["wandb_run_id"]
        assert (seen["state"], seen["exit_code"]) == ("finished", 0)
        assert seen["name"].split(",")[-1] == "trainer.max_epochs=2"
        assert f"seed={job}" in seen["name"].split(",")
        (run,) = [r for r in map(json.loads, inspect(path).splitlines()) if r["type"] == "run"]
        assert run["run"]["run_group"] == "sweep"
        assert not list(path.parents[1].glob("tmp*"))
    assert len(list(sweep.folder.parent.rglob("*.wandb"))) == 3
    no_process_is_left(sweep)
    assert [one.name for one in temporary.iterdir() if "torch" not in one.name] == []


@pytest.mark.slow
def test_batches_of_a_sweeper_make_one_table(sweep):
    ended(sweep.train(*QUICK, TWO, "seed=0,1,2", "hydra.sweeper.max_batch_size=2"))
    assert sweep.statuses in (["completed"] * 3, ["kept", "kept", "completed"])
    assert [row["job"] for row in sweep.rows] == ["0", "1", "2"]


@pytest.mark.slow
def test_settings_may_stand_before_the_choice_of_the_launcher(sweep):
    arguments = [TWO, *QUICK, "seed=0", "hydra/launcher=fleet"]
    ended(sweep._start("train", "-m", *arguments, f"hydra.sweep.dir={sweep.folder}"))
    assert sweep.statuses == ["completed"]

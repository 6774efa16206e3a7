"""Going on with a sweep: what is kept, what is run, and what is refused."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleet.sweeps import ENDLESS, PATIENCE, QUICK, TWO, ended, until, write_experiments


@pytest.mark.slow
def test_a_completed_sweep_has_nothing_to_resume(copied):
    before = copied.completed()
    output = ended(copied.resume())
    assert "2 of 2 jobs are completed already" in output
    assert copied.statuses == ["kept", "kept"]
    assert copied.completed() == before


@pytest.mark.parametrize("launcher", ["basic", pytest.param("fleet", marks=pytest.mark.slow)])
def test_the_same_command_again_runs_what_is_missing(copied, scyan_exp, launcher):
    (copied.folder / "1" / "result.json").unlink()
    before = copied.completed()
    assert before.keys() == {0}
    where = (f"hydra.sweep.dir={copied.folder}", f"hydra/launcher={launcher}")
    code, output = scyan_exp("train", "-m", *where, *QUICK, "seed=0,1")
    assert code == 0, output
    after = copied.completed()
    assert after.keys() == {0, 1}
    assert after[0] == before[0]


@pytest.mark.slow
def test_a_job_that_is_another_now_is_run_under_both_launchers(copied):
    for launcher, lr in (("basic", 0.003), ("fleet", 0.004)):
        before = copied.completed()
        ended(copied.train(*QUICK, "seed=0,1", f"model.lr={lr}", launcher=launcher))
        after = copied.completed()
        assert all(after[job] != before[job] for job in (0, 1))


def test_a_sweep_that_runs_is_refused_to_all_others(sweep, scyan_exp):
    one = "hydra.launcher.jobs_per_device=1"
    process = sweep.train(*ENDLESS, one, "seed=0,1")
    until((sweep.folder / "sweep.csv").exists, process)
    again = ("train", "-m", *ENDLESS, one, "seed=0,1", "hydra/launcher=fleet")
    for command in (("resume", str(sweep.folder)), (*again, f"hydra.sweep.dir={sweep.folder}")):
        code, output = scyan_exp(*command)
        assert code == 2
        assert f"{sweep.folder}: another process is running the jobs of this sweep" in output
    assert process.poll() is None
    until(lambda: sweep.epochs(0) > 0, process)
    process.send_signal(signal.SIGINT)
    ended(process, code=130)


def test_a_second_resume_is_refused_before_it_reads_or_imports_much(copied):
    """The list of jobs is damaged, which a second resume does not come to see."""
    (copied.folder / "sweep.json").write_text("{")
    program = (
        "import sys; from scyan_exp.cli.main import main; code = main(sys.argv[1:]);"
        "print('HEAVY', *({'torch', 'optuna', 'anndata'} & set(sys.modules))); sys.exit(code)"
    )
    with (copied.folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-c", program, "resume", str(copied.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2, done.stderr
    assert "another process is running the jobs of this sweep" in done.stderr
    assert done.stdout.splitlines() == ["HEAVY"]


@pytest.mark.slow
def test_edited_yaml_changes_nothing_of_queued_jobs(sweep):
    configs = sweep.folder.parent / "configs"
    swept = write_experiments(configs, ["seed: 0", "seed: 1", "seed: 2"])
    arguments = [f"--config-dir={configs}", *QUICK[1:], "flow=shallow", swept]
    process = sweep.train(*arguments, "hydra.launcher.jobs_per_device=1")
    until((sweep.folder / "sweep.csv").exists, process)
    for path in (configs / "experiment").iterdir():
        path.write_text("# @package _global_\nseed: 99\nnonsense: 1\n")
    ended(process)
    assert [sweep.result(job)["seed"] for job in range(3)] == [0, 1, 2]


def test_a_job_whose_folder_is_gone_is_run_again(copied):
    """Its config stands in the list of the sweep's jobs."""
    shutil.rmtree(copied.folder / "1")
    before = copied.completed()
    output = ended(copied.resume())
    assert "1 of 2 jobs are completed already" in output
    assert copied.completed().keys() == {0, 1}
    assert copied.completed()[0] == before[0]
    assert copied.result(1)["seed"] == 1


# ---------------------------------------------------------------- refused


def change(folder: Path, **values: object) -> None:
    """Write other values into the list of jobs, for the second one."""
    path = folder / "sweep.json"
    listed = json.loads(path.read_text())
    listed["jobs"][1].update(values)
    path.write_text(json.dumps(listed))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "sweep.json").write_text("{"), "not the list of a sweep's jobs"),
        (lambda folder: (folder / "sweep.json").write_text('{"jobs": [1]}'), "sweep.json"),
        (lambda folder: change(folder, values=[[["seed"], "one"]]), "job 1"),
        (lambda folder: change(folder, base=7), "job 1"),
    ],
)
def test_a_damaged_sweep_is_not_resumed(copied, scyan_exp, damage, message):
    damage(copied.folder)
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 2
    assert message in output
    assert str(copied.folder) in output
    assert "Traceback" not in output


def test_a_folder_without_a_sweep_is_not_resumed(scyan_exp, tmp_path):
    code, output = scyan_exp("resume", str(tmp_path))
    assert code == 2
    assert "no sweep: there is no sweep.json" in output
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_the_basic_launcher_names_the_command_to_go_on(scyan_exp, tmp_path):
    arguments = [*QUICK, "trainer.max_epochs=1", "model.warm_up=[0.35,4]", "seed=0"]
    code, output = scyan_exp("train", "-m", *arguments, "hydra.sweep.dir=sweep")
    assert code == 0, output
    code, output = scyan_exp("resume", "sweep")
    assert code == 2
    assert "scyan-exp train -m" in output
    assert "'model.warm_up=[0.35,4]'" in output
    assert f"seed=0 hydra/launcher=fleet hydra.sweep.dir={tmp_path / 'sweep'}" in output


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_sweep_that_hydra_was_writing_down_names_no_command(copied, scyan_exp, share):
    """A part of the file is YAML, too: of a sweep with other overrides."""
    (copied.folder / "sweep.json").unlink()
    whole = copied.folder / "multirun.yaml"
    text = whole.read_text()
    hydra = text[: text.index("\nname:")]
    whole.write_text(hydra[: int(share * len(hydra))])
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 2
    assert "multirun.yaml is damaged" in output
    assert "Run the sweep's command again" in output
    assert "scyan-exp train" not in output


def test_a_sweep_cut_off_before_its_first_job_names_all_that_was_typed(copied, scyan_exp):
    (copied.folder / "sweep.json").unlink()
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 2
    assert f" {TWO} hydra/launcher=fleet hydra.sweep.dir={copied.folder}" in output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("retires=2", "hydra.launcher.retires: unknown key. Did you mean 'retries'?"),
        ("retries=many", "hydra.launcher.retries: expected an integer, found 'many'"),
        ("retries", "expected key=value"),
        ("retries=[", "retries=["),
        ("devices=[0]", "but the jobs train on the CPU"),
    ],
)
def test_wrong_changes_are_refused(copied, scyan_exp, change, message):
    code, output = scyan_exp("resume", str(copied.folder), change)
    assert code == 2
    assert message in output
    assert "Traceback" not in output


def test_resume_without_a_folder_says_how(scyan_exp):
    for arguments in ([], ["--help"]):
        code, output = scyan_exp("resume", *arguments)
        assert code in (0, 2)
        assert "resume FOLDER" in output


# ---------------------------------------------------------------- folders that cannot be written


def test_a_table_that_cannot_be_written_is_said_with_how_to_go_on(copied, scyan_exp):
    (copied.folder / "sweep.csv").unlink()
    (copied.folder / "sweep.csv").mkdir()
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 1
    assert "cannot be written (Is a directory): make room. To go on: scyan-exp resume" in output
    assert "Traceback" not in output


def test_a_lock_that_cannot_be_written_is_one_message(copied, scyan_exp):
    (copied.folder / ".lock").unlink()
    (copied.folder / ".lock").mkdir()
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 2
    assert f"{copied.folder / '.lock'}: the results cannot be written (Is a directory)" in output
    assert "Traceback" not in output

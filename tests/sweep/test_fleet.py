"""The fleet as users start it: processes that end well, fail, are killed and go on."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from tests.conftest import TABLE, small_adata
from tests.test_wandb import inspect, runs_of, summary

#: Jobs of a second or so.
QUICK = (
    "dataset.n_cells=600",
    "flow=shallow",
    "model.batch_size=200",
    "trainer.max_epochs=2",
    "callbacks=none",
    "logger=none",
)
#: Jobs of some seconds, which write checkpoints meanwhile.
STEADY = (
    "dataset.n_cells=20000",
    "model.batch_size=250",
    "flow=shallow",
    "callbacks=none",
    "logger=none",
    "trainer.max_epochs=20",
    "trainer.log_every_n_steps=1000",
)
#: Jobs that are still there when a test has something to do with them.
ENDLESS = (*STEADY, "trainer.max_epochs=100000")
FOUR = "hydra.launcher.jobs_per_device=4"
TWO = "hydra.launcher.jobs_per_device=2"
#: Marks the environment of all processes of a test, W&B's own included.
MARK = "SCYAN_EXP_TEST_OF_FLEET"
PATIENCE = 120.0


class Sweep:
    """A sweep in a folder, by processes of its own.

    Args:
        folder: the folder of the sweep; the processes start in the one above.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = uuid.uuid4().hex
        self.started: list[subprocess.Popen] = []

    def train(self, *arguments: str, launcher: str = "fleet", **options) -> subprocess.Popen:
        """Start it."""
        where = (f"hydra.sweep.dir={self.folder}", f"hydra/launcher={launcher}")
        flags = [one for one in arguments if one.startswith("-")]  # Hydra wants them together
        rest = [one for one in arguments if not one.startswith("-")]
        return self._start("train", "-m", *flags, *where, *rest, **options)

    def resume(self, *changes: str) -> subprocess.Popen:
        """Start what is missing of it."""
        return self._start("resume", str(self.folder), *changes)

    def _start(self, *arguments: str, **options) -> subprocess.Popen:
        environment = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, "-m", "scyan_exp", *arguments],
            text=True,
            cwd=self.folder.parent,
            env={**environment, MARK: self.token},
            **{**pipes, **options},
        )
        self.started.append(process)
        return process

    @property
    def rows(self) -> list[dict[str, str]]:
        """``sweep.csv``."""
        with (self.folder / "sweep.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    @property
    def statuses(self) -> list[str]:
        """The column of that name."""
        return [row["status"] for row in self.rows]

    def result(self, job: int) -> dict:
        """``result.json`` of a job."""
        return json.loads((self.folder / str(job) / "result.json").read_text())

    def log(self, job: int) -> str:
        """``train.log`` of a job."""
        return (self.folder / str(job) / "train.log").read_text()

    def completed(self) -> dict[int, tuple]:
        """Results and times of writing of the jobs that are completed."""
        kept = {}
        for path in self.folder.glob("*/result.json"):
            if json.loads(path.read_text())["status"] == "completed":
                files = [path, *sorted((path.parent / "checkpoints").iterdir())]
                times = [(file.name, file.stat().st_mtime_ns) for file in files]
                kept[int(path.parent.name)] = (path.read_bytes(), times)
        return kept

    def worker(self, job: int) -> int | None:
        """The process that runs a job now: its output goes to the log of the job."""
        log = str(self.folder / str(job) / "train.log")
        for pid in self.processes():
            with suppress(OSError):
                if str(Path(f"/proc/{pid}/fd/1").readlink()) == log:
                    return pid
        return None

    def processes(self) -> list[int]:
        """All processes of this sweep that are not merely waiting to be reaped."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and self.token.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def epochs(self, job: int) -> int:
        """Epochs that a job has written so far."""
        path = self.folder / str(job) / "population_weights.csv"
        return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def ended(process: subprocess.Popen, code: int = 0, timeout: float = PATIENCE) -> str:
    """Wait for the end of a process that should end with this code; all its output."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"did not end in {timeout} s: {out}{err}") from None
    assert process.returncode == code, out + err
    return out + err


def until(
    condition: Callable[[], object], process: subprocess.Popen | None = None, what: str = ""
) -> None:
    """Wait until something is so; fail if the process ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


def no_process_is_left(sweep: Sweep, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while sweep.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    left = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in sweep.processes()}
    assert left == {}


@pytest.fixture
def make_sweep(tmp_path) -> Iterator[Callable[..., Sweep]]:
    """Sweeps in folders of this test; nothing of them outlives it."""
    sweeps: list[Sweep] = []

    def make(name: str = "sweep", folder: Path = tmp_path) -> Sweep:
        sweeps.append(Sweep(folder / name))
        return sweeps[-1]

    yield make
    for sweep in sweeps:
        _end(sweep)


@pytest.fixture
def sweep(make_sweep) -> Sweep:
    return make_sweep()


def _end(sweep: Sweep) -> None:
    for process in sweep.started:
        if process.poll() is None:
            process.kill()
        with suppress(ValueError):  # read already
            process.communicate()
    for pid in sweep.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def weights(folder: Path, name: str = "best") -> dict[str, torch.Tensor]:
    path = folder / "checkpoints" / f"{name}.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def assert_same_training(folder: Path, expected: Path) -> None:
    """The same weights and the same course, to the byte."""
    for name in ("best", "last"):
        ours, theirs = weights(folder, name), weights(expected, name)
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert value.numpy().tobytes() == theirs[key].numpy().tobytes(), (name, key)
    courses = [(f / "population_weights.csv").read_bytes() for f in (folder, expected)]
    assert courses[0] == courses[1]


def shared(tmp_path_factory, name: str, arguments: Sequence[str]) -> Sweep:
    """A sweep that is run once, also for several processes of pytest."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    sweep = Sweep(root / f"fleet-{name}" / "sweep")
    sweep.folder.parent.mkdir(exist_ok=True)
    output = sweep.folder.parent / "output.txt"
    with (sweep.folder.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not output.exists():
                output.write_text(ended(sweep.train(*arguments)))
        finally:
            _end(sweep)
    return sweep


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Sweep:
    """Four jobs of ``STEADY``, left alone."""
    return shared(tmp_path_factory, "uncut", [*STEADY, FOUR, "seed=0,1,2,3"])


@pytest.fixture(scope="module")
def two_jobs(tmp_path_factory) -> Sweep:
    """Two quick jobs that are completed; what was said stands in ``output.txt`` beside them."""
    return shared(tmp_path_factory, "two", [*QUICK, TWO, "seed=0,1"])


@pytest.fixture
def copied(two_jobs, make_sweep) -> Sweep:
    """A copy of ``two_jobs``, to be damaged."""
    sweep = make_sweep()
    shutil.copytree(two_jobs.folder, sweep.folder)
    return sweep


# ---------------------------------------------------------------- sweeps that run through


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


def test_without_a_terminal_there_is_no_bar_and_no_line_a_job(two_jobs):
    output = two_jobs.folder.with_name("output.txt").read_text()
    assert "2 jobs, 2 at a time" in output
    for absent in ("\x1b", "\r", "#0", "Traceback", "Warning"):
        assert absent not in output
    assert re.search(r"^job +overrides +status", output, re.MULTILINE)
    assert len(re.findall(r"^\d .*completed", output, re.MULTILINE)) == 2


def test_a_job_says_nothing_on_the_terminal_of_the_sweep(two_jobs):
    assert "populations" not in two_jobs.folder.with_name("output.txt").read_text()
    assert "populations" in two_jobs.log(0)


def test_on_a_terminal_jobs_have_lines_and_the_table_ends_it(sweep):
    ours, theirs = pty.openpty()
    process = sweep.train(*QUICK, TWO, "seed=0,1", stdout=theirs, stderr=theirs)
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


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Cells and a table of one's own, twice."""
    paths = {name: tmp_path / name for name in ("cells.h5ad", "damaged.h5ad", "table.csv")}
    small_adata().write_h5ad(paths["cells.h5ad"])
    paths["damaged.h5ad"].write_bytes(paths["cells.h5ad"].read_bytes()[:4000])
    paths["table.csv"].write_text(TABLE)
    return paths


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
def test_one_wandb_run_a_job(sweep):
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
    assert len(list(sweep.folder.parent.rglob("*.wandb"))) == 3
    no_process_is_left(sweep)


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


# ---------------------------------------------------------------- failures


def write_experiments(folder: Path, texts: Sequence[str]) -> str:
    """YAML files ``experiment/e00.yaml``, ...; the override that sweeps over them."""
    folder = folder / "experiment"
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"e{number:02}.yaml").write_text(f"# @package _global_\n{text}\n")
    return "experiment=" + ",".join(f"e{number:02}" for number in range(len(texts)))


def kill_worker(sweep: Sweep, job: int, process: subprocess.Popen) -> None:
    """Kill the process of a job as soon as it has written a checkpoint."""
    last = sweep.folder / str(job) / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns if last.exists() else 0
    until(lambda: last.exists() and last.stat().st_mtime_ns > before, process, "checkpoint")
    pid = sweep.worker(job)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("n_jobs", "seconds"), [(7, 7), pytest.param(24, 20, marks=pytest.mark.slow)]
)
def test_four_of_many_jobs_fail_each_for_its_reason(sweep, files, n_jobs, seconds):
    late, damaged, killed, diverging = range(4)
    texts = [f"seed: {n}\ndataset: {{path: {files['cells.h5ad']}}}" for n in range(n_jobs)]
    texts[damaged] = texts[damaged].replace("cells.h5ad", "damaged.h5ad")
    texts[diverging] += "\nmodel: {lr: 1e30}"
    for job in (killed, late):  # the time of training, without what came before a checkpoint
        texts[job] += f'\ntrainer: {{max_epochs: 1000000, max_time: "00:00:00:{seconds + 1:02}"}}'
    configs = sweep.folder.parent / "configs"
    (configs / "trainer").mkdir(parents=True)
    # Values on the command line would win over those of an experiment.
    (configs / "trainer" / "two.yaml").write_text("defaults: [cpu]\nmax_epochs: 2\n")
    swept = write_experiments(configs, texts)
    arguments = [f"--config-dir={configs}", swept, "dataset=h5ad", "flow=shallow", "trainer=two"]
    arguments += ["callbacks=none", "logger=none", f"table.path={files['table.csv']}"]
    process = sweep.train(*arguments, FOUR, f"hydra.launcher.timeout_min={seconds / 60}")
    kill_worker(sweep, killed, process)
    kill_worker(sweep, killed, process)
    output = ended(process, code=1)

    wrong = {damaged: "failed", diverging: "failed", killed: "lost", late: "timed out"}
    assert sweep.statuses == [wrong.get(job, "completed") for job in range(n_jobs)]
    reasons = {int(row["job"]): row["error"] for row in sweep.rows if row["error"]}
    assert reasons.keys() == wrong.keys()
    assert "not an .h5ad file" in reasons[damaged]
    assert "loss became" in reasons[diverging]
    assert "killed by SIGKILL" in reasons[killed]
    assert "hydra.launcher.timeout_min=" in reasons[late]
    for reason in reasons.values():
        assert reason in output
    assert f"4 of {n_jobs} jobs failed (0, 1, 2, 3)" in output
    assert "Traceback" not in output
    assert "not an .h5ad file" in sweep.log(damaged)
    assert "Traceback" in sweep.log(diverging)
    assert "loss became" in sweep.result(diverging)["error"]
    assert sweep.result(killed)["error"].startswith("WorkerLost: its process was killed")
    assert sweep.result(late)["error"].startswith("TimedOut: ")
    assert "Continuing from" in sweep.log(killed)
    assert all(sweep.result(job)["status"] == "failed" for job in (diverging, killed, late))
    no_process_is_left(sweep)

    before = sweep.completed()
    assert len(before) == n_jobs - 4
    files["damaged.h5ad"].write_bytes(files["cells.h5ad"].read_bytes())
    output = ended(sweep.resume("timeout_min=10"), code=1)
    assert f"{n_jobs - 4} of {n_jobs} jobs are completed already" in output
    expected = ["kept"] * n_jobs
    expected[damaged] = expected[killed] = expected[late] = "completed"
    expected[diverging] = "failed"
    assert sweep.statuses == expected
    after = sweep.completed()
    assert {job: after[job] for job in before} == before
    no_process_is_left(sweep)


@pytest.mark.slow
def test_a_lost_worker_is_replaced_and_its_job_continues(sweep, uncut):
    process = sweep.train(*STEADY, TWO, "seed=0,1")
    kill_worker(sweep, 1, process)
    output = ended(process)
    assert "job 1: its process was killed by SIGKILL (out of memory?); trying again" in output
    assert sweep.statuses == ["completed"] * 2
    assert "Continuing from" in sweep.log(1)
    assert "Continuing from" not in sweep.log(0)
    for job in (0, 1):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


@pytest.mark.slow
def test_a_job_that_another_program_interrupts_is_not_taken_for_completed(sweep):
    """A signal to a worker alone: the sweep goes on, and says in the end what is missing."""
    process = sweep.train(*ENDLESS, TWO, "hydra.launcher.retries=0", "seed=0,1")
    for job in (0, 1):
        until(lambda job=job: sweep.epochs(job) > 1, process)
        os.kill(sweep.worker(job), signal.SIGTERM)
    output = ended(process, code=1)
    assert "Traceback" not in output
    assert "completed" not in sweep.statuses


@pytest.mark.slow
def test_errors_are_tried_again_when_asked_to(sweep):
    arguments = [*QUICK, "model.lr=1e30", "hydra.launcher.error_retries=2"]
    output = ended(sweep.train(*arguments), code=1)
    assert output.count("trying again") == 2
    assert sweep.log(0).count("the run failed") == 3
    assert sweep.statuses == ["failed"]


@pytest.mark.slow
def test_on_failure_stop_starts_no_further_job(sweep):
    arguments = [*QUICK, "hydra.launcher.jobs_per_device=1", "hydra.launcher.on_failure=stop"]
    output = ended(sweep.train(*arguments, "model.lr=0.001,1e30,0.002,0.003"), code=1)
    assert sweep.statuses == ["completed", "failed", "not run", "not run"]
    assert "1 of 4 jobs failed (1), 2 not run" in output
    assert not (sweep.folder / "2" / "train.log").exists()


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_ended_and_continues_later(sweep):
    arguments = [*ENDLESS, "+trainer.max_time=00:00:00:07", "hydra.launcher.timeout_min=0.1"]
    ended(sweep.train(*arguments), code=1)
    assert sweep.statuses == ["timed out"]
    no_process_is_left(sweep)
    epochs = sweep.epochs(0)
    assert epochs > 0
    ended(sweep.resume("timeout_min=null"))
    assert "Continuing from" in sweep.log(0)
    assert sweep.result(0)["epochs"] > epochs


# ---------------------------------------------------------------- ends of the launcher


def kill_and_resume(sweep: Sweep, arguments: Sequence[str], n_kills: int, longest: float) -> None:
    """Kill the launcher at random moments; no completed job may be lost or run again."""
    kept: dict[int, tuple] = {}
    for i in range(n_kills):
        has_jobs = (sweep.folder / "sweep.json").exists()
        process = sweep.resume() if has_jobs else sweep.train(*arguments)
        wait = random.Random(i).uniform(1, longest)
        with suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        process.kill()
        process.communicate()
        no_process_is_left(sweep)
        now = sweep.completed()
        assert {job: now.get(job) for job in kept} == kept
        kept = now
    ended(sweep.resume() if (sweep.folder / "sweep.json").exists() else sweep.train(*arguments))
    assert set(sweep.statuses) <= {"completed", "kept"}
    now = sweep.completed()
    assert {job: now.get(job) for job in kept} == kept
    assert len(now) == len(sweep.rows)
    no_process_is_left(sweep)


def test_killed_launchers_lose_nothing(sweep, uncut):
    kill_and_resume(sweep, [*STEADY, TWO, "seed=0,1,2,3"], 2, 9)
    for job in range(4):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


@pytest.mark.slow
def test_often_killed_launchers_lose_nothing(sweep, uncut):
    kill_and_resume(sweep, [*STEADY, TWO, "seed=0,1,2,3,4,5,6,7,8,9"], 10, 12)
    for job in range(4):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


def test_a_killed_launcher_leaves_no_service_of_wandb(sweep):
    arguments = [one for one in ENDLESS if not one.startswith("logger")]
    process = sweep.train(*arguments, TWO, "seed=0,1", "logger=wandb")
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in sweep.processes()]
    assert any(b"wandb" in command for command in commands)
    process.kill()
    process.communicate()
    no_process_is_left(sweep)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_one_signal_saves_what_runs_and_resume_continues(sweep, uncut, number):
    process = sweep.train(*STEADY, TWO, "seed=0,1,2,3")
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    process.send_signal(number)
    output = ended(process, code=130)
    assert f"To go on: scyan-exp resume {sweep.folder}" in output
    assert "Traceback" not in output
    no_process_is_left(sweep)
    assert sweep.statuses == ["interrupted", "interrupted", "not run", "not run"]
    for job in (0, 1):
        assert sweep.result(job)["status"] == "interrupted"
        assert (sweep.folder / str(job) / "annotated.h5ad").exists()
    assert not (sweep.folder / "2" / "result.json").exists()

    ended(sweep.resume("jobs_per_device=4"))
    assert sweep.statuses == ["completed"] * 4
    for job in range(4):
        assert ("Continuing from" in sweep.log(job)) == (job < 2)
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


def test_two_signals_end_at_once(sweep):
    arguments = [*ENDLESS, "dataset.n_cells=100000", "model.batch_size=20", TWO]
    process = sweep.train(*arguments, "seed=0,1,2")
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130, timeout=15)
    assert "Traceback" not in output
    assert sweep.statuses == ["interrupted", "interrupted", "not run"]
    no_process_is_left(sweep, seconds=5)


@pytest.mark.slow
def test_a_signal_while_the_jobs_are_composed_ends_with_130(sweep):
    process = sweep.train(*QUICK, "seed=" + ",".join(map(str, range(60))))
    until((sweep.folder / "multirun.yaml").exists, process)
    process.send_signal(signal.SIGINT)
    output = ended(process, code=130)
    assert "Traceback" not in output
    no_process_is_left(sweep)


# ---------------------------------------------------------------- going on with a sweep


@pytest.mark.slow
def test_a_completed_sweep_has_nothing_to_resume(copied):
    before = copied.completed()
    output = ended(copied.resume())
    assert "2 of 2 jobs are completed already" in output
    assert copied.statuses == ["kept", "kept"]
    assert copied.completed() == before


@pytest.mark.parametrize("launcher", ["basic", pytest.param("fleet", marks=pytest.mark.slow)])
def test_the_same_command_again_runs_what_is_missing(copied, launcher):
    (copied.folder / "1" / "result.json").unlink()
    before = copied.completed()
    assert before.keys() == {0}
    ended(copied.train(*QUICK, "seed=0,1", launcher=launcher))
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


def test_the_second_resume_of_a_folder_is_refused(sweep):
    process = sweep.train(*ENDLESS, TWO, "seed=0,1")
    until((sweep.folder / "sweep.csv").exists, process)
    for again in (sweep.resume(), sweep.train(*ENDLESS, TWO, "seed=0,1")):
        output = ended(again, code=2)
        assert f"{sweep.folder}: another process is running the jobs of this sweep" in output
    assert process.poll() is None
    until(lambda: min(sweep.epochs(0), sweep.epochs(1)) > 0, process)
    process.send_signal(signal.SIGINT)
    ended(process, code=130)


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


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "sweep.json").write_text("{"), "not the list of a sweep's jobs"),
        (lambda folder: (folder / "sweep.json").write_text('{"jobs": [1]}'), "sweep.json"),
        (lambda folder: (folder / "1/.hydra/config.yaml").write_text("a: [1"), "job 1"),
        (lambda folder: (folder / "1/.hydra/config.yaml").write_text("seed: 1"), "job 1"),
        (lambda folder: (folder / "1/.hydra/config.yaml").unlink(), "job 1"),
        (lambda folder: (folder / "1/.hydra/hydra.yaml").write_text("- 1"), "job 1"),
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("retires=2", "hydra.launcher.retires: unknown key. Did you mean 'retries'?"),
        ("retries=many", "hydra.launcher.retries: found 'many'"),
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


# ---------------------------------------------------------------- refused before the first job


@pytest.fixture
def refused(scyan_exp, tmp_path) -> Callable[..., str]:
    """The output of a sweep that must be refused, with nothing trained."""

    def run(*arguments: str) -> str:
        where = ["hydra/launcher=fleet", "hydra.sweep.dir=sweep"]
        code, output = scyan_exp("train", "-m", "logger=none", *where, *arguments)
        assert code == 2, output
        assert "Traceback" not in output
        assert not list((tmp_path / "sweep").glob("*/result.json"))
        assert not list((tmp_path / "sweep").glob("*/train.log"))
        return output

    return run


def test_a_bad_combination_is_named_with_its_jobs(refused):
    """Each value is fine with the first of the others."""
    output = refused("dataset.label_key=population,null", "objective=heuristic,accuracy,f1_macro")
    assert "2 problems" in output
    for job, objective in ((4, "accuracy"), (5, "f1_macro")):
        assert f"job {job} (" in output
        assert f"objective: '{objective}' needs labels" in output
    assert "job 3" not in output


def test_all_bad_values_are_named_at_once(refused):
    output = refused("model.lr=0.1,-1", "trainer.max_epochs=1,0", "model.prior_sdt=0.1,0.2")
    for part in ("model.lr", "trainer.max_epochs", "Did you mean 'model.prior_std'?"):
        assert part in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.launcher.retires=2"], "Did you mean 'hydra.launcher.retries'"),
        (["+hydra.launcher.retires=2"], "Did you mean 'retries'"),
        (["hydra.launcher.retries=many"], "hydra.launcher.retries"),
        (["hydra.launcher.retries=-1"], "hydra.launcher.retries: found -1"),
        (["hydra.launcher.on_failure=halt"], "expected 'continue' or 'stop'"),
        (["hydra.launcher.devices=gpu"], "hydra.launcher.devices: found 'gpu'"),
        (["hydra.launcher.timeout_min=0"], "hydra.launcher.timeout_min: found 0"),
        (["hydra.launcher.ray.num_cpus=0"], "hydra.launcher.ray"),
    ],
)
def test_wrong_settings_are_refused(refused, arguments, message):
    assert message in refused("seed=0,1", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trainer=ddp", "seed=0,1"], "job 1: trainer.devices=2: the fleet leases one device"),
        (["seed=0,1", "hydra.launcher.devices=[0]"], "but the jobs train on the CPU"),
        (["trainer=gpu", "hydra.launcher.devices=cpu"], "but the jobs have trainer=gpu"),
        (["trainer=cpu,gpu"], "make them two sweeps"),
        (["trainer=gpu", "trainer.devices=[1]"], "the fleet chooses the device"),
        (["seed=0,1", "hydra.sweep.subdir=same"], "jobs 0, 1 would share the folder"),
    ],
)
def test_jobs_that_the_fleet_cannot_honour_are_refused(refused, arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize("devices", ["[0]", "auto"])
def test_without_a_gpu_that_is_said(refused, monkeypatch, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    output = refused("trainer=gpu", "seed=0,1", f"hydra.launcher.devices={devices}")
    assert f"hydra.launcher.devices={devices}: this machine has no GPU" in output
    assert "Use hydra.launcher.devices=cpu with trainer=cpu" in output

"""Shared by the tests of sweeps: a sweep in processes of its own, and what is asked of it."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from tests.starting import Process

#: Jobs of a second or so.
QUICK = (
    "dataset.n_cells=600",
    "flow=shallow",
    "model.batch_size=200",
    "trainer.max_epochs=2",
    "callbacks=none",
    "logger=none",
    "figures.draw=none",
)
#: Jobs of some seconds, which write checkpoints meanwhile.
STEADY = (
    "dataset.n_cells=20000",
    "model.batch_size=250",
    "flow=shallow",
    "callbacks=none",
    "logger=none",
    "figures.draw=none",
    "trainer.max_epochs=14",
    "trainer.log_every_n_steps=1000",
)
#: Jobs that are still there when a test has something to do with them.
ENDLESS = (*STEADY, "trainer.max_epochs=100000")
FOUR = "hydra.launcher.jobs_per_device=4"
TWO = "hydra.launcher.jobs_per_device=2"
#: Marks the environment of all processes of a test, W&B's own included.
MARK = "SCYAN_EXP_TEST_OF_FLEET"
#: Seconds: only what hangs takes so long, also on a busy machine.
PATIENCE = 300.0


class Sweep:
    """A sweep in a folder, by processes of its own.

    Args:
        folder: the folder of the sweep; the processes start in the one above.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = uuid.uuid4().hex
        self.started: list[Process] = []

    def train(self, *arguments: str, launcher: str = "fleet", **options) -> Process:
        """Start it."""
        where = (f"hydra.sweep.dir={self.folder}", f"hydra/launcher={launcher}")
        flags = [one for one in arguments if one.startswith("-")]  # Hydra wants them together
        rest = [one for one in arguments if not one.startswith("-")]
        return self._start("train", "-m", *flags, *where, *rest, **options)

    def resume(self, *changes: str) -> Process:
        """Start what is missing of it."""
        return self._start("resume", str(self.folder), *changes)

    def _start(self, *arguments: str, **options) -> Process:
        environment = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"}
        process = Process(
            ["-m", "scyan_exp", *arguments],
            cwd=self.folder.parent,
            env={**environment, MARK: self.token},
            **options,
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
        sessions = {process.pid for process in self.started}
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if not entry.name.isdigit() or not (entry / "cmdline").read_bytes():
                    continue
                # What is forked is of our session, what is started has our environment.
                marked = self.token.encode() in (entry / "environ").read_bytes()
                if marked or os.getsid(int(entry.name)) in sessions:
                    found.append(int(entry.name))
        return found

    def epochs(self, job: int) -> int:
        """Epochs that a job has written so far."""
        path = self.folder / str(job) / "population_weights.csv"
        return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def ended(process: Process, code: int = 0, timeout: float = PATIENCE) -> str:
    """Wait for the end of a process that should end with this code; all its output."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"did not end in {timeout} s: {out}{err}") from None
    assert process.returncode == code, out + err
    return out + err


def until(condition: Callable[[], object], process: Process | None = None, what: str = "") -> None:
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


def _end(sweep: Sweep) -> None:
    for process in sweep.started:
        if process.poll() is None:
            process.kill()
        with suppress(ValueError):  # read already
            process.communicate()
    for pid in sweep.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


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


def kill_worker(sweep: Sweep, job: int, process: Process) -> None:
    """Kill the process of a job as soon as it has written a checkpoint."""
    last = sweep.folder / str(job) / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns if last.exists() else 0
    until(lambda: last.exists() and last.stat().st_mtime_ns > before, process, "checkpoint")
    pid = sweep.worker(job)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def write_experiments(folder: Path, texts: Sequence[str]) -> str:
    """YAML files ``experiment/e00.yaml``, ...; the override that sweeps over them."""
    folder = folder / "experiment"
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"e{number:02}.yaml").write_text(f"# @package _global_\n{text}\n")
    return "experiment=" + ",".join(f"e{number:02}" for number in range(len(texts)))


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

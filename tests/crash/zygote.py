"""Runs commands in processes forked off one that has imported everything, and strikes at them.

Importing torch and W&B takes five seconds of CPU, a fork some milliseconds: so thousands of crash
points can be afforded.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

SOURCE = Path(__file__).with_name("strike.c")
#: Orphans come to the process that has asked for them.
PR_SET_CHILD_SUBREAPER = 36
#: Seconds that a command may take, and that its children may take to end after it.
PATIENCE, MOURNING = 120.0, 15.0
#: What commands import only when they need it.
LATE_IMPORTS = (
    *("hydra.main", "optuna", "optuna.storages.journal", "sqlalchemy", "rich._emoji_codes"),
    *("scyan_exp.data.dataset", "scyan_exp.data.file_datasets", "scyan_exp.data.table_sources"),
    *("scyan_exp.entries.settings", "scyan_exp.fleet.launch", "scyan_exp.fleet.engines.slurm"),
    *("scyan_exp.fleet.engines.local", "scyan_exp.fleet.engines.devices", "scyan_exp.run.repeats"),
    *("scyan_exp.run.annotating.files", "scyan_exp.search.search", "torch.utils.serialization"),
)
#: As ``strike.c`` has them.
NOTHING, KILL, HALF, FAIL, FULL = range(5)


@dataclass(frozen=True)
class Strike:
    """Where and how to strike.

    Attributes:
        folder: calls that change files below it are counted.
        trace: the file that gets a line a call.
        process: which process, as the trace has it; "" for none.
        number: which of its calls.
        kind: what happens there, as ``strike.c`` has it.
        error: the error of a call that fails.
    """

    folder: str
    trace: str
    process: str = ""
    number: int = 0
    kind: int = NOTHING
    error: int = 0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; the negative number of the signal that killed it.
        output: what it printed.
        n_left: processes that it left behind.
    """

    code: int
    output: str
    n_left: int


class Zygote:
    """The process that others are forked off; a context.

    Args:
        scratch: a folder for what it needs.
        setup: Python that runs there after the imports.
    """

    def __init__(self, scratch: Path, setup: str = "") -> None:
        self._output = scratch / "output.txt"
        environment = {
            **os.environ,
            "LD_PRELOAD": str(compiled(scratch)),
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
            "SCYAN_EXP_REPORT": "0",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote", setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, arguments: list[str], cwd: Path, strike: Strike | None = None) -> Ended:
        """Run ``scyan-exp`` with these arguments, in a folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "arguments": arguments,
            "cwd": str(cwd),
            "output": str(self._output),
            "strike": None if strike is None else asdict(strike),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code, n_left = json.loads(self._process.stdout.readline())
        return Ended(code, self._output.read_text(errors="replace"), n_left)


def compiled(scratch: Path) -> Path:
    """``strike.c`` as a library."""
    library = scratch / "strike.so"
    if not library.exists():
        command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run([*command, "-ldl", "-lpthread"], check=True)
    return library


def _serve(setup: str) -> int | None:
    """Take requests until there are no more; in a fork, return the command's exit code."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.environ.pop("LD_PRELOAD")  # it is loaded; what is started from here has its own
    _import_everything()
    from scyan_exp.config.composed_once import composed_once

    with composed_once():  # what the setup composes, all commands share
        exec(setup, {})
        for line in sys.stdin:
            request = json.loads(line)
            pid = os.fork()
            if pid == 0:
                return _command(request)
            print(json.dumps([_code_of(pid), _n_left()]), flush=True)
    return None


def _import_everything() -> None:
    import importlib

    from scyan_exp.cli.main import commands
    from scyan_exp.cli.train import task

    commands()
    task().import_libraries()
    for name in LATE_IMPORTS:
        importlib.import_module(name)


def _command(request: dict[str, Any]) -> int:
    from scyan_exp.cli.main import main

    os.setsid()
    os.chdir(request["cwd"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    for old, new in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(old, new)
    _mend_wandb()
    if request["strike"] is not None:
        _arm(Strike(**request["strike"]))
    try:
        return main(request["arguments"])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


def _mend_wandb() -> None:
    """A command that ends removes a folder that W&B has made when it was imported."""
    from wandb.sdk.data_types._private import MEDIA_TMP

    Path(MEDIA_TMP.name).mkdir(parents=True, exist_ok=True)


def _arm(strike: Strike) -> None:
    ctypes.CDLL(None).crash_arm(
        strike.folder.encode(),
        strike.trace.encode(),
        strike.process.encode(),
        ctypes.c_long(strike.number),
        strike.kind,
        strike.error,
    )


def _code_of(pid: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -signal.SIGALRM


def _n_left() -> int:
    """Wait for the children that a command has left; how many do not end by themselves."""
    deadline = time.monotonic() + MOURNING
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return 0
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for pid in map(int, pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(pids)


if __name__ == "__main__":
    code = _serve(sys.argv[1])
    if code is not None:
        sys.exit(code)

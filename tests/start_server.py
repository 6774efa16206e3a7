"""A process that has imported what trains, and forks itself for each that a test starts.

It is started by :mod:`tests.starting`, which sends it what to run through its standard input, a
socket. It ends when the other end is closed.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

#: What a training or a search imports late; not W&B, whose import makes a folder for one process.
IMPORTED = (
    "anndata",
    "hydra.main",
    "hydra_plugins.fleet_launcher",
    "hydra_plugins.study_sweeper",
    "matplotlib.pyplot",
    "optuna.artifacts",
    "pytorch_lightning",
    "scyan_exp.cli.main",
    "scyan_exp.cli.train",
    "scyan_exp.fleet.engines.worker",
    "scyan_exp.results.figures",
    "scyan_exp.run.experiment",
    "sklearn.metrics",
    "sqlalchemy.orm",
    "torch._dynamo",  # by the first step of an optimizer
)
#: Larger than any command with its environment.
LARGEST = 1 << 17


def main() -> None:
    """Import, and serve; each process that is forked goes on from here too."""
    for name in IMPORTED:
        importlib.import_module(name)
    from scyan_exp.config.composed_once import composed_once

    with composed_once():
        compose()
        gc.collect()
        gc.freeze()  # so that memory stays shared
        asked = socket.socket(fileno=os.dup(0))
        request = serve(asked)
        if request is not None:
            run_and_end(request)


def compose() -> None:
    """Commands in these processes share what Hydra makes of our YAML files, which no test edits."""
    from scyan_exp.config import extensions
    from scyan_exp.config.compose import compose_config

    for launcher in ("basic", "fleet"):
        compose_config([f"hydra/launcher={launcher}"])
    extensions._points.cache_clear()  # a process may have packages on a path of its own


def serve(asked: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. In the forked process: the request; in this one, None at the end."""
    ready = selectors.DefaultSelector()
    ready.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is not asked:
                ready.unregister(key.fd)
                tell_end(key.fd, *key.data)
                continue
            message, fds, _, _ = socket.recv_fds(asked, LARGEST, 4)
            if not message:
                return None
            pid = os.fork()
            if pid == 0:
                take_over(fds)
                return dict(json.loads(message))
            *streams, status = fds
            for fd in streams:
                os.close(fd)
            os.write(status, f"{pid}\n".encode())
            ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))


def tell_end(pidfd: int, pid: int, status: int) -> None:
    """Reap a process and tell its exit code, as ``subprocess`` counts it."""
    _, wait_status = os.waitpid(pid, 0)
    os.close(pidfd)
    with suppress(BrokenPipeError):  # nobody wants to know any more
        os.write(status, f"{os.waitstatus_to_exitcode(wait_status)}\n".encode())
    os.close(status)


def take_over(fds: list[int]) -> None:
    """Nothing of the server stays open; the session tells which processes are of this one."""
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
    os.closerange(3, 1024)
    os.setsid()


def run(request: dict[str, Any]) -> None:
    """Be the process that was asked for."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [place for place in places if place and place not in sys.path]
    what, *arguments = request["command"]
    if what == "-m":
        module, *arguments = arguments
        sys.path[0] = request["cwd"]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(what).parent)
        sys.argv = [what, *arguments]
        runpy.run_path(what, run_name="__main__")


def run_and_end(request: dict[str, Any]) -> NoReturn:
    """End as Python does, but for taking apart all that was imported, which takes a while."""
    code, interrupted = 0, False
    try:
        run(request)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        code, interrupted = 1, isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


if __name__ == "__main__":
    main()

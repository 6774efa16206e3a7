"""Processes that train one run together (DDP), started and ended by the run itself.

Lightning would start the command line again in each process, and Hydra would then compose a
config and make a folder for each. Here the first process hands its resolved config to the others,
so a run is the same whatever started it: the console script, a sweep, or Python.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch

from scyan_exp.config.schema import RunConfig

#: Seconds that processes may take to end by themselves after the fit.
PATIENCE = 20.0


@contextmanager
def peer_processes(config: RunConfig, folder: Path) -> Iterator[None]:
    """Start the other processes of a run, and end them with the block.

    Args:
        config: the resolved config; the others run :func:`scyan_exp.run.fitting.run_peer` on it.
        folder: the run folder; each process logs to ``ddp_rank<i>.log`` in it.
    """
    world_size = config.trainer.n_processes
    if world_size == 1:
        yield
        return
    n_threads = max(1, torch.get_num_threads() // world_size)
    environment = {
        "OMP_NUM_THREADS": str(n_threads),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(world_size),
    }
    with ExitStack() as stack:
        peers = [
            stack.enter_context(_peer(rank, environment, config, folder))
            for rank in range(1, world_size)
        ]
        _wait_until_ready(peers, folder)
        stack.enter_context(_environment({**environment, "LOCAL_RANK": "0"}))
        stack.enter_context(_threads(n_threads))
        stack.callback(leave_group)  # a later run of this process forms another group
        yield


def leave_group() -> None:
    """Leave the group of processes, if this one is in any."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def say_ready(folder: Path) -> None:
    """In a peer: say that everything is loaded, so that the training can begin."""
    _ready_file(folder, int(os.environ["LOCAL_RANK"])).touch()


def end_with_parent() -> None:
    """In a peer: exit as soon as the first process is gone, however it ended."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _peer(
    rank: int, environment: Mapping[str, str], config: RunConfig, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(parents=True, exist_ok=True)
    _ready_file(folder, rank).unlink(missing_ok=True)
    # The same package that runs here, and nothing from the current folder (-P).
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    with _log_file(folder, rank).open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scyan_exp", "ddp-peer", str(folder)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                **environment,
                "LOCAL_RANK": str(rank),
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            },
            start_new_session=True,  # Ctrl-C reaches the first process, which tells the others
        )
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it has ended already; _wait_until_ready says so
            process.stdin.write(json.dumps(config.plain()).encode() + b"\n")
            process.stdin.flush()
        yield process
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.kill()
        process.wait()


def _wait_until_ready(peers: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    """Wait until the other processes are ready: the training itself would wait for them for ever.

    Raises:
        RuntimeError: one of them ended before it was ready.
    """
    for rank, process in enumerate(peers, start=1):
        while not _ready_file(folder, rank).exists():
            if process.poll() is not None:
                raise RuntimeError(
                    f"process {rank} of the run ended with exit code {process.returncode} before "
                    f"the training began; see {_log_file(folder, rank)}"
                )
            time.sleep(0.02)
        _ready_file(folder, rank).unlink()


def _ready_file(folder: Path, rank: int) -> Path:
    return folder / f".ddp_rank{rank}.ready"


def _log_file(folder: Path, rank: int) -> Path:
    return folder / f"ddp_rank{rank}.log"


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within the block: Lightning reads its rank there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)  # Lightning removes some of them itself
            else:
                os.environ[name] = value


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Compute with ``n`` threads within the block, as the processes share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Running jobs in a process of the fleet, one after the other; what they share is kept."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, env_override, setup_globals
from omegaconf import OmegaConf

from scyan_exp.fleet.engines.base import Task
from scyan_exp.fleet.engines.devices import Slot
from scyan_exp.fleet.job_config import load_config, without_hydra
from scyan_exp.fleet.signals import SIGNALS
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome

PR_SET_PDEATHSIG = 1


def work(
    connection: Connection,
    others: list[Connection],
    slot: Slot,
    task: Task,
    parent: int,
    deaf_to: Set[signal.Signals] = frozenset(),
) -> None:
    """Run the jobs whose folders arrive on a connection, until it is closed.

    Args:
        connection: folders in, results out, as JSON.
        others: the launcher's ends of the connections, which this process inherited and closes.
        slot: where this worker runs.
        task: the program that each job runs.
        parent: process id of the launcher; this process ends with it.
        deaf_to: signals that stay blocked, as they were when this process began.
    """
    for other in others:
        other.close()
    _end_with(parent)
    # Ctrl-C on the terminal reaches only the launcher, which passes it on.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, _remember)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS} - deaf_to)
    prepare(slot)
    try:
        while True:
            folder = Path(json.loads(connection.recv_bytes())["folder"])
            with output_to_log(folder):
                result = run_job(folder, task)
            connection.send_bytes(json.dumps(result).encode())
            gc.collect()  # while the launcher writes: cycles of a job would be left to later ones
    except (EOFError, OSError):  # the launcher needs this worker no more
        _finish_wandb()


def prepare(slot: Slot) -> None:
    """Set up this process for its slot, before CUDA and threads are used."""
    os.environ.update(slot.environment)
    os.environ["OMP_NUM_THREADS"] = str(slot.n_threads)
    if "torch" in sys.modules:
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(slot.n_threads)
        # Libraries that are loaded already, such as numpy's BLAS, do not look at the variable
        # again. With a thread per core in each worker, their threads would wait for each other.
        threadpool_limits(slot.n_threads)


def run_job(folder: Path, task: Task) -> dict[str, Any]:
    """Run the job whose config is in a folder, as Hydra would, and say how it ended.

    Returns:
        ``outcome`` (completed, failed, interrupted), and ``value`` or ``error``.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _REMEMBERED:  # the signal arrived before the job
            raise KeyboardInterrupt
        return {"outcome": Outcome.COMPLETED, "value": _plain(_call(folder, task))}
    except KeyboardInterrupt:
        return {"outcome": Outcome.INTERRUPTED, "error": "interrupted"}
    except BaseException as error:  # SystemExit too, as the worker goes on
        cause = error.__cause__ or error
        logging.getLogger(__name__).debug("job failed", exc_info=True)
        text = str(cause).strip().splitlines()
        return {
            "outcome": Outcome.FAILED,
            "error": ": ".join([type(cause).__name__, *text[:1]]),
        }
    finally:
        signal.signal(signal.SIGINT, _remember)
        _REMEMBERED.clear()


def _remember(number: int, frame: FrameType | None) -> None:
    """Note Ctrl-C between jobs: it is meant for the next one."""
    _REMEMBERED.append(number)


_REMEMBERED: list[int] = []


def _call(folder: Path, task: Task) -> Any:
    setup_globals()
    config = load_config(folder)
    HydraConfig.instance().set_config(config)
    hydra_config, callbacks = config.hydra, Callbacks(config)
    configure_log(hydra_config.job_logging, hydra_config.verbose)
    if "scyan_exp" in str(hydra_config.job_logging):
        _drop_terminal_handlers()  # the output goes to the log already
    task_config = without_hydra(config)
    before = Path.cwd()
    if hydra_config.job.chdir:
        os.chdir(folder)
    returned = JobReturn(cfg=task_config, hydra_cfg=OmegaConf.masked_copy(config, "hydra"))
    try:
        with env_override(dict(hydra_config.job.env_set)):
            callbacks.on_job_start(config=config, task_function=task)
            try:
                value = task(task_config)
                returned.return_value, returned.status = value, JobStatus.COMPLETED
            except Exception as error:
                returned.return_value, returned.status = error, JobStatus.FAILED
                raise
            finally:
                callbacks.on_job_end(config=config, job_return=returned)
        return value
    finally:
        os.chdir(before)
        logging.shutdown()


def _plain(value: Any) -> Any:
    """A value that JSON can hold; anything else as text."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return repr(value)


def _drop_terminal_handlers() -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if not isinstance(handler, logging.FileHandler):
            root.removeHandler(handler)


@contextmanager
def output_to_log(folder: Path) -> Iterator[None]:
    """Send all that a job prints to ``train.log`` in its folder, from C code and crashes too."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(RunFolder(folder).log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    faulthandler.enable(file=2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(log)


def _end_with(parent: int) -> None:
    """Let the system kill this process when the launcher is gone, however it ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(1)


def _finish_wandb() -> None:
    """End the service process of W&B if this process started it."""
    if "wandb" in sys.modules:
        import wandb

        with suppress(Exception):  # this process ends, whatever the service answers
            wandb.teardown()

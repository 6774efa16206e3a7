"""A launcher in its own Slurm job, so that the command that started it returns at once."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import scyan_exp.fleet.engines.slurm.commands as commands
from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.base import Task
from scyan_exp.fleet.engines.slurm.commands import SlurmError
from scyan_exp.fleet.engines.slurm.cut_off import AT_LIMIT, AT_ONCE, CutOff
from scyan_exp.fleet.engines.slurm.foreman import Place
from scyan_exp.fleet.engines.slurm.names import launcher_name
from scyan_exp.fleet.engines.slurm.submission import options_of, parameters_of, submit
from scyan_exp.fleet.settings import FleetSettings, SlurmSettings
from scyan_exp.fleet.trusting import TRUST
from scyan_exp.run.folder import SweepFolder

#: Memory of a launcher, unless the settings say otherwise.
MEMORY = "4GB"
#: Seconds between looks at the signals.
POLL = 0.5


@dataclass(frozen=True)
class Launcher:
    """What the Slurm job calls: it runs the command, and may be cut off at any time.

    Attributes:
        command: the command that goes on with the sweep.
        cwd: the folder in which it runs.
        signal_delay: seconds from Slurm's signal at the time limit to the end.
    """

    command: Sequence[str]
    cwd: Path
    signal_delay: float

    def __call__(self) -> None:
        """Run the command. The sweep's jobs go on while this Slurm job waits to come back."""
        cut_off, process = CutOff(self.signal_delay), self._start()
        while process.poll() is None and not cut_off:
            time.sleep(POLL)
        if process.returncode is None and _comes_back():
            process.kill()
        elif process.returncode is None:  # somebody ended it
            process.send_signal(signal.SIGINT)
        process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process. Some clusters also send it the signals that are meant for this one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, (AT_LIMIT, AT_ONCE))
        try:
            return subprocess.Popen(self.command, cwd=self.cwd)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (AT_LIMIT, AT_ONCE))


def check_detached(fleet: FleetSettings, task: Task) -> None:
    """Make sure that Slurm would accept the launcher, and that it could go on with the sweep.

    Raises:
        InputError: it would not, or could not.
    """
    if not hasattr(task, "check"):
        raise InputError(
            "hydra.launcher.slurm.detach: only sweeps started with scyan-exp train can continue "
            "elsewhere"
        )
    commands.check_accepted(options_of(_parameters(fleet.slurm, "scyan_exp")))


def detach(sweep_dir: Path, fleet: FleetSettings, changes: Sequence[str]) -> None:
    """Submit a Slurm job that goes on with a sweep, and say so.

    Args:
        sweep_dir: the folder of the sweep, whose jobs are written.
        fleet: the settings.
        changes: settings of the launcher that have changed, as ``key=value``.

    Raises:
        InputError: Slurm refused.
    """
    folder = SweepFolder(sweep_dir.absolute())
    resume = ["resume", str(folder.path), *changes, "slurm.detach=false", TRUST]
    command = [sys.executable, "-m", "scyan_exp", *resume]
    launcher = Launcher(command, Path.cwd(), fleet.slurm.signal_delay_s)
    folder.slurm.mkdir(exist_ok=True)
    parameters = _parameters(fleet.slurm, launcher_name(folder.slurm))
    try:
        (job_id,) = submit([launcher], folder.slurm, parameters)
    except SlurmError as error:
        raise InputError(commands.refused(str(error))) from error
    shown = shlex.quote(str(sweep_dir))
    print(
        f"Slurm job {job_id} runs the sweep. How it stands: scyan-exp ls {shown}; to stop it, and "
        f"have what runs saved: scancel {job_id}; to go on then: scyan-exp resume {shown}",
        flush=True,
    )


def require_not_detached(sweep_dir: Path) -> None:
    """Make sure that no other Slurm job runs the launcher of a sweep.

    Raises:
        InputError: one does, or Slurm does not answer.
    """
    folder = SweepFolder(sweep_dir.absolute()).slurm
    if not folder.is_dir():
        return
    others = commands.living_or_refuse(launcher_name(folder))
    others.pop(os.environ.get("SLURM_JOB_ID", ""), None)
    for job_id, state in others.items():
        raise InputError(
            f"Slurm job {job_id} ({state}) runs this sweep. How it stands: scyan-exp ls; to stop "
            f"it, and have what runs saved: scancel {job_id}",
            where=str(sweep_dir),
        )


def _comes_back() -> bool:
    """Whether Slurm puts this job back into the queue."""
    job_id = os.environ["SLURM_JOB_ID"]
    if commands.state_of(job_id) != "RUNNING":
        return False
    try:
        commands.requeue(job_id)
    except SlurmError:
        return False
    return True


def _parameters(settings: SlurmSettings, name: str) -> dict[str, object]:
    """The parameters of a Slurm job that asks for little beyond what the settings name."""
    small = settings.model_copy(update={"cpus_per_task": 1, "mem": MEMORY})
    parameters = parameters_of(small, name, Place(1, 1))
    additional = {**parameters["additional_parameters"], **settings.launcher_parameters}
    return {**parameters, "additional_parameters": additional}

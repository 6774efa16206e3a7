"""Slurm's own programs. Accounting is not asked: many clusters have none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from scyan_exp.errors import InputError, listed

PROGRAMS = ("sbatch", "srun", "squeue", "scontrol", "scancel")
#: Seconds after which a controller that does not answer is given up for now.
PATIENCE = 60.0


class SlurmError(Exception):
    """What a program of Slurm's said when it did not do what it was asked."""


def require_slurm() -> None:
    """Make sure that this machine can talk to a cluster.

    Raises:
        InputError: it cannot.
    """
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        raise InputError(
            f"hydra.launcher.engine=slurm: no {listed(absent)} on this machine; run it on a login "
            "node of the cluster, or use hydra.launcher.engine=local"
        )


def call(*arguments: str) -> str:
    """Run a program of Slurm's; returns what it printed.

    Raises:
        SlurmError: it failed, or did not answer.
    """
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # the terminal's Ctrl-C is meant for us
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(str(error)) from error
    if done.returncode:
        raise SlurmError(said(done.stderr) or f"{arguments[0]}: exit code {done.returncode}")
    return done.stdout


def said(text: str) -> str:
    """What a program of Slurm's printed, in one line."""
    lines = (re.sub(r"^(sbatch|srun|allocation): ", "", line) for line in text.splitlines())
    return "; ".join(line.removeprefix("error: ").strip() for line in lines if line.strip())


def living(name: str) -> dict[str, str]:
    """State of each Slurm job of this name and user that waits, runs or is ending, by its id."""
    user = f"--user={os.getuid()}"
    text = call("squeue", "--noheader", "--array", user, f"--name={name}", "--format=%i %T")
    return dict(line.split(maxsplit=1) for line in text.splitlines() if line.strip())


def living_or_refuse(name: str) -> dict[str, str]:
    """As :func:`living`, where nothing may begin before that is known.

    Raises:
        InputError: Slurm does not answer.
    """
    try:
        return living(name)
    except SlurmError as error:
        raise InputError(
            f"Slurm does not answer, so nobody knows whether jobs of this sweep still run: {error}"
        ) from error


def state_of(job_id: str) -> str:
    """The state of a Slurm job, and how it ended, in Slurm's words; "unknown" once forgotten."""
    try:
        text = call("scontrol", "show", "job", "--oneliner", job_id)
    except SlurmError:
        return "unknown"
    shown = dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0] if text else ""))
    state, code = shown.get("JobState", "unknown"), shown.get("ExitCode", "0:0")
    return state if code == "0:0" else f"{state}, exit code {code}"


def cancel(job_ids: Collection[str], *, at_once: bool = False) -> None:
    """End Slurm jobs; those that have ended already are no error.

    Args:
        job_ids: which.
        at_once: kill them instead of asking them first.
    """
    if not job_ids:
        return
    for options in (["--signal=KILL"], []) if at_once else ([],):
        with suppress(SlurmError):  # it has ended, or is seen to live when Slurm is asked again
            call("scancel", "--quiet", *options, *job_ids)


def requeue(job_id: str) -> None:
    """Put a Slurm job back into the queue; it ends here.

    Raises:
        SlurmError: the cluster does not allow it.
    """
    call("scontrol", "requeue", job_id)


def check_accepted(options: Mapping[str, object]) -> None:
    """Ask Slurm whether it would take a job, without submitting one.

    Raises:
        InputError: it would not.
    """
    try:
        call("sbatch", "--test-only", *as_flags(options), "--wrap=true")
    except SlurmError as error:
        raise InputError(refused(str(error))) from error


def refused(why: str) -> str:
    """What is said when Slurm takes no job."""
    return (
        f"Slurm refused the job: {why}. See hydra.launcher.slurm.* (partition, account, qos, "
        "time, mem, cpus_per_task, gpus_per_node, additional_parameters)"
    )


def as_flags(options: Mapping[str, object]) -> Sequence[str]:
    """Options as ``sbatch`` takes them."""
    return [
        f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")
        for key, value in options.items()
        if value is not None and value is not False
    ]

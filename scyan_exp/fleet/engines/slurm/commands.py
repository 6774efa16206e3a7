"""Slurm's own programs. Accounting is not used, as many clusters have none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from scyan_exp.errors import InputError, listed

PROGRAMS = ("sbatch", "srun", "squeue", "scontrol", "scancel")
#: Seconds to wait for a controller that does not answer.
PATIENCE = 60.0


class SlurmError(Exception):
    """A program of Slurm refused; the text is what it printed."""


def require_slurm() -> None:
    """Make sure that this machine can reach a cluster.

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
    """Run one of Slurm's programs; returns what it printed.

    Raises:
        SlurmError: it failed or did not answer.
    """
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the terminal is meant for this process alone
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(str(error)) from error
    if done.returncode:
        raise SlurmError(said(done.stderr) or f"{arguments[0]}: exit code {done.returncode}")
    return done.stdout


def said(text: str) -> str:
    """What one of Slurm's programs printed, as one line."""
    lines = (re.sub(r"^(sbatch|srun|allocation): ", "", line) for line in text.splitlines())
    return "; ".join(line.removeprefix("error: ").strip() for line in lines if line.strip())


def living(name: str) -> dict[str, str]:
    """The state of each Slurm job of this name and user that waits, runs or is ending, by id."""
    user = f"--user={os.getuid()}"
    text = call("squeue", "--noheader", "--array", user, f"--name={name}", "--format=%i %T")
    return dict(line.split(maxsplit=1) for line in text.splitlines() if line.strip())


def living_or_refuse(name: str) -> dict[str, str]:
    """As :func:`living`, for when nothing may begin before this is known.

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
    """The state or end of a Slurm job, in Slurm's words; "unknown" once it is forgotten."""
    try:
        text = call("scontrol", "show", "job", "--oneliner", job_id)
    except SlurmError:
        return "unknown"
    shown = dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0] if text else ""))
    state, code = shown.get("JobState", "unknown"), shown.get("ExitCode", "0:0")
    return state if code == "0:0" else f"{state}, exit code {code}"


def cancel(job_ids: Collection[str], *, at_once: bool = False) -> None:
    """End Slurm jobs; it is no error if some have ended already.

    Args:
        job_ids: their ids.
        at_once: kill them, instead of asking them first.
    """
    if not job_ids:
        return
    for options in (["--signal=KILL"], []) if at_once else ([],):
        with suppress(
            SlurmError
        ):  # it has ended, or the next question to Slurm shows that it has not
            call("scancel", "--quiet", *options, *job_ids)


def requeue(job_id: str) -> None:
    """Put a Slurm job back into the queue, which ends it here.

    Raises:
        SlurmError: the cluster does not allow it.
    """
    call("scontrol", "requeue", job_id)


def check_accepted(options: Mapping[str, object]) -> None:
    """Ask Slurm whether it would accept a job, without submitting one.

    Raises:
        InputError: it would not.
    """
    try:
        call("sbatch", "--test-only", *as_flags(options), "--wrap=true")
    except SlurmError as error:
        raise InputError(refused(str(error))) from error


def refused(why: str) -> str:
    """The error for when Slurm accepts no job."""
    return (
        f"Slurm refused the job: {why}. See hydra.launcher.slurm.* (partition, account, qos, "
        "time, mem, cpus_per_task, gpus_per_node, additional_parameters)"
    )


def as_flags(options: Mapping[str, object]) -> Sequence[str]:
    """Options in the form that ``sbatch`` takes."""
    return [
        f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")
        for key, value in options.items()
        if value is not None and value is not False
    ]

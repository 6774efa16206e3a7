"""``scyan-exp resume``: what is missing of a sweep or a search."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from scyan_exp.cli.command import Command, exit_code, refuse, set_environment
from scyan_exp.cli.train import task, train
from scyan_exp.errors import InputError
from scyan_exp.run.again import command_again
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.job import JobFailed

USAGE = "usage: scyan-exp resume FOLDER_OF_THE_SWEEP [KEY=VALUE ...]"


def resume(arguments: list[str]) -> int:
    """Go on with a sweep: ``resume FOLDER [key=value of hydra.launcher ...]``."""
    set_environment()
    if not arguments or arguments[0].startswith("-"):
        return refuse(f"{USAGE}\nMore: scyan-exp resume --help")
    try:
        _refuse_run(Path(arguments[0]))
        of_search = _of_search(Path(arguments[0]), arguments[1:])
    except InputError as error:
        return refuse(error)
    if of_search is not None:  # the same command into the same folder
        return train(of_search)
    return exit_code(lambda: _resume(Path(arguments[0]), arguments[1:]))


def _refuse_run(folder: Path) -> None:
    """Say how a single run goes on.

    Raises:
        InputError: the folder is that of one.
    """
    own, sweep = RunFolder(folder), SweepFolder(folder)
    if sweep.holds_sweep() or sweep.holds_search() or not own.result.is_file():
        return
    command = command_again(folder)
    if command is None:
        raise InputError(
            "this is the folder of a job; resume the sweep that it belongs to", where=str(folder)
        )
    if own.last.is_file():
        command += f" {shlex.join([f'ckpt_path={own.last}'])}"
    raise InputError(
        "this is the folder of a single run, not of a sweep. It goes on from its last epoch "
        f"with\n  {command}",
        where=str(folder),
    )


def _of_search(folder: Path, changes: list[str]) -> list[str] | None:
    """The command line that goes on with a search; None if the folder holds none.

    Raises:
        InputError: it cannot, or the folder would have a shell run what nobody has seen.
    """
    from omegaconf import OmegaConf

    from scyan_exp.cli.safety import unsafe_problems
    from scyan_exp.config.compose import compose_config
    from scyan_exp.config.overrides import choices_of, split_arguments
    from scyan_exp.fleet.trusting import require_trusted, without_trust
    from scyan_exp.search.resume import search_arguments

    changes, is_trusted = without_trust(changes)
    typed = search_arguments(folder, changes)
    if typed is None or is_trusted or unsafe_problems(typed):  # which is told when it trains
        return typed
    overrides, config_dirs = split_arguments(typed)
    first = [next(choices_of(one, config_dirs)) for one in overrides]
    hydra: Any = OmegaConf.to_container(
        compose_config(first, config_dirs, with_hydra=True).hydra, resolve=False
    )
    require_trusted(hydra["launcher"], hydra["job"], changes, folder)
    return typed


def _resume(folder: Path, changes: list[str]) -> None:
    """The jobs that are missing; of a sweep over a table's entries also what they did."""
    from scyan_exp.fleet.resume import resume_sweep

    try:
        resume_sweep(folder, changes, task())
    except JobFailed:
        _report_entries(folder)
        raise
    _report_entries(folder)


def _report_entries(folder: Path) -> None:
    """Of a sweep over a table's entries what they did; nothing is imported for others."""
    if SweepFolder(folder).entries.is_file():
        from scyan_exp.entries.report import report_entries

        report_entries(folder)


COMMAND = Command(
    "resume",
    "go on with a sweep of the fleet launcher, or a search, that was cut off",
    resume,
    (("resume outputs/sweeps/2026-11-22_10-15-00", "what is missing of a sweep or search"),),
    usage=USAGE,
    options={
        "FOLDER_OF_THE_SWEEP": "a sweep of the fleet launcher, or a search. What is completed "
        "stays, failed jobs run again, and those that were cut off go on from their last epoch",
        "KEY=VALUE": "settings of hydra.launcher or hydra.sweeper that may be others now, such as "
        "the following",
        "devices=cpu": "where jobs run: auto, cpu, or numbers of GPUs",
        "jobs_per_device=2": "jobs at a time on each GPU, or on the CPU",
        "retries=2": "further attempts of a job whose process was lost",
        "error_retries=1": "further attempts of a job that raised an error or timed out",
        "timeout_min=60": "minutes that a job may take",
        "n_trials=40": "of a search: trials in all, those so far included",
        "n_parallel=2": "of a search: trials at a time",
        "trust=true": "run the lines of shell, and set the variables, that the folder asks for: "
        "once you have seen them",
    },
)

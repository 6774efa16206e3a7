"""``scyan_exp.run``: what ``scyan-exp train`` does, from Python."""

from __future__ import annotations

import logging
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.cli.command import set_environment
from scyan_exp.cli.train import start, task
from scyan_exp.errors import InputError
from scyan_exp.run.read_run import Run, read_run

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from scyan_exp.run.job import TrainJob


def run(
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    folder: str | Path | None = None,
    config_dirs: Sequence[str | Path] = (),
) -> Run:
    """Train, annotate and measure, as ``scyan-exp train`` does, into a folder with the same files.

    Args:
        overrides: what differs from the default config, ``["flow=deep", "model.prior_std=0.3"]``
            or ``{"flow": "deep", "model.prior_std": 0.3}``; or the text that is typed after
            ``scyan-exp train``.
        folder: the folder of the run; by default ``outputs/<day>/<time>``, as on the command line.
        config_dirs: folders with config groups of your own, as with ``--config-dir``.

    Returns:
        The run, as :func:`scyan_exp.read_run` reads it.

    Raises:
        InputError: the config or an input is wrong; nothing was trained.
        KeyboardInterrupt: stopped by Ctrl-C (the notebook's stop button); the results of the
            epochs so far are in the folder.
        Exception: whatever else went wrong in the run.
    """
    from scyan_exp.config.composed_once import composed_once

    set_environment()
    given = _overrides(overrides)
    own = [] if folder is None else [_override("hydra.run.dir", str(Path(folder).absolute()))]
    arguments = [*(f"--config-dir={path}" for path in config_dirs), *given, *own]
    with _hydra_and_logs_given_back(), composed_once():
        _check(given, arguments)
        job = Placed(task(owns_process=False))
        try:
            start(arguments, job)
        except SystemExit as stop:
            if isinstance(stop.__cause__, Exception):
                raise stop.__cause__ from None
            raise
    assert job.folder is not None
    return read_run(job.folder)


class Placed:
    """A job, and the folder where Hydra ran it."""

    def __init__(self, job: TrainJob) -> None:
        self._job = job
        self.folder: Path | None = None

    def __call__(self, config: DictConfig) -> object:
        """Run the job."""
        from hydra.core.hydra_config import HydraConfig

        self.folder = Path(HydraConfig.get().runtime.output_dir)
        return self._job(config)


def _overrides(given: str | Sequence[str] | Mapping[str, Any]) -> list[str]:
    if isinstance(given, Mapping):
        return [_override(key, value) for key, value in given.items()]
    return shlex.split(given) if isinstance(given, str) else list(given)


def _override(key: str, value: object) -> str:
    from scyan_exp.config.overrides import is_group_choice, quoted

    plain = isinstance(value, str) and is_group_choice(f"{key}=")  # options are not quoted
    return f"{key}={value if plain else quoted(value)}"


def _check(given: Sequence[str], arguments: Sequence[str]) -> None:
    from scyan_exp.cli.problems import command_problems
    from scyan_exp.cli.safety import unsafe_problems
    from scyan_exp.config.overrides import split_arguments

    _, config_dirs = split_arguments(arguments)
    refused = {one: text for one in given if (text := _refused(one, config_dirs)) is not None}
    rest = [one for one in arguments if one not in refused]
    problems = [*refused.values(), *(unsafe_problems(rest) or command_problems(rest))]
    if problems:
        raise InputError(problems, where="config")


def _refused(override: str, config_dirs: Sequence[str]) -> str | None:
    """Why an override is not one of a single run; None if it is."""
    from scyan_exp.config.compose import COMPOSE_ERRORS
    from scyan_exp.config.overrides import choices_of, with_multirun

    command = shlex.join(["scyan-exp", "train", "-m", override])
    if override.startswith("-"):
        return f"{override}: expected key=value; options belong to the command line"
    if with_multirun([override]) != [override]:
        return f"{override}: a search is run on the command line: {command}"
    try:
        several = len(list(choices_of(override, config_dirs))) > 1
    except COMPOSE_ERRORS:
        return None  # it is explained with the others
    if not several:
        return None
    key, _, values = override.partition("=")
    return (
        f"{override}: several values are a sweep, which is run on the command line: {command} "
        f"(a list is written {key}=[{values}])"
    )


@contextmanager
def _hydra_and_logs_given_back() -> Iterator[None]:
    """A run sets up Hydra and the root logger for itself; a notebook may have its own."""
    from hydra.core.global_hydra import GlobalHydra

    hydra, root = GlobalHydra.instance().hydra, logging.getLogger()
    handlers, level = list(root.handlers), root.level
    GlobalHydra.instance().clear()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        GlobalHydra.instance().hydra = hydra
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)

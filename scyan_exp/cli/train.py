"""``scyan-exp train``: one run, a sweep with ``-m``, or a search."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.cli.command import (
    Command,
    exit_code,
    refuse,
    set_environment,
    short_warnings,
)
from scyan_exp.cli.completion import complete
from scyan_exp.errors import InputError
from scyan_exp.files import unwritable
from scyan_exp.run.job import DONE, FAILED, TrainJob, discard

if TYPE_CHECKING:
    from omegaconf import DictConfig

USAGE = (
    "usage: scyan-exp train [GROUP=OPTION ...] [KEY=VALUE ...] [-m] [--config-dir=FOLDER] "
    "[--cfg=job] [--resolve] [--info=defaults] [--help] [--hydra-help]"
)


def train(arguments: list[str]) -> int:
    """Train one experiment, or a sweep with ``-m``; arguments as Hydra takes them."""
    if arguments[:1] in (["-sc"], ["--shell-completion"]):  # as --hydra-help advertises it
        return complete(arguments[1:])
    from scyan_exp.config.composed_once import composed_once

    with composed_once():
        return _train(arguments)


def _train(arguments: list[str]) -> int:
    from scyan_exp.cli.problems import command_problems, folder_problems
    from scyan_exp.cli.safety import unsafe_problems
    from scyan_exp.config.meanings import help_of
    from scyan_exp.config.overrides import (
        flags_first,
        nesting_problems,
        split_arguments,
        with_multirun,
    )

    set_environment()
    short_warnings()
    arguments = with_multirun(flags_first(arguments))
    problems = nesting_problems(arguments) or unsafe_problems(arguments)
    if not problems and {"-m", "--multirun"} & set(arguments):
        problems = command_problems(arguments)  # before Hydra writes the folder of the sweep
    problems = problems or folder_problems(arguments)
    if problems:
        return refuse(InputError(problems, where="config"))
    if {"-h", "--help"} & set(arguments):
        print(help_of(*split_arguments(arguments)))
        return DONE
    job = task()
    code = exit_code(lambda: start(arguments, job))
    if code in (DONE, FAILED) and job.sweep_dir is not None:
        _report(job.sweep_dir)
    return code


def _report(sweep_dir: Path) -> None:
    """The page of a sweep whose jobs ran in this process; the fleet and searches do their own."""
    from scyan_exp.fleet.reporting import report_sweep
    from scyan_exp.run.folder import SweepFolder

    sweep = SweepFolder(sweep_dir)
    if not sweep.manifest.is_file() and not sweep.holds_search():
        report_sweep(sweep_dir)


def start(arguments: Sequence[str], job: Callable[[DictConfig], object]) -> None:
    """Have Hydra run a job with a command line that has been checked.

    Raises:
        InputError: what is wrong all the same, such as folders that cannot be written.
        SystemExit: of a single run, see :class:`~scyan_exp.run.job.TrainJob`.
        JobFailed: jobs of a sweep failed.
    """
    import hydra

    from scyan_exp.cli.problems import command_problems
    from scyan_exp.config.compose import COMPOSE_ERRORS, configs_folder, first_lines, quiet_presets

    app = hydra.main(str(configs_folder()), "train", version_base="1.3")(job)
    quiet_presets()
    before, sys.argv = sys.argv, ["scyan-exp train", *arguments]
    try:
        app()
    except InputError:  # of a launcher, before the first job; itself a ValueError
        raise
    except COMPOSE_ERRORS as error:
        problems = command_problems(arguments) or [first_lines(error)]
        raise InputError(problems, where="config") from error
    except OSError as error:  # of Hydra's own files: a job explains its errors itself
        raise _unwritable_output(error) from error
    finally:
        sys.argv = before


def task(*, owns_process: bool = True) -> TrainJob:
    """What each job runs; ``owns_process`` unless the process is a user's own."""
    from scyan_exp.search.reporter import reporter_of_job

    return TrainJob(reporter_of_job, owns_process=owns_process)


def _unwritable_output(error: OSError) -> InputError:
    """Hydra could not write its files: say where, and leave none behind."""
    handlers = logging.getLogger().handlers
    logs = [Path(h.baseFilename) for h in handlers if isinstance(h, logging.FileHandler)]
    for path in logs:
        discard(path.parent)
    return unwritable(error, error.filename or (logs[-1].parent if logs else None))


COMMAND = Command(
    "train",
    "train, annotate and measure one experiment, a sweep with -m, or a search",
    train,
    (
        ("train", "built-in cells, default settings"),
        ("train dataset=h5ad dataset.path=cells.h5ad table.path=table.csv", ""),
        ("train flow=deep prior=tight model.temperature=1", ""),
        ("train -m seed=0,1,2 model.prior_std=0.2,0.3", "a sweep of six runs"),
        ("train -m seed=0,1,2 hydra/launcher=fleet", "the same on all devices"),
        ("train search=quick hydra/launcher=fleet", "a hyperparameter search"),
        ("train --help", "all groups and the composed config"),
        ("train --cfg job --resolve", "the config, without running it"),
    ),
    usage=USAGE,
    options={
        "GROUP=OPTION": "choose an option of a group: dataset=h5ad, prior=tight, search=quick, ...",
        "KEY=VALUE": "set a value of the config: model.prior_std=0.2; the value wins over the "
        "group",
        "-m": "a sweep: several values of a key or a group, separated by commas, are all combined",
        "--config-dir=FOLDER": "a folder with groups of your own: FOLDER/experiment/mine.yaml is "
        "experiment=mine",
        "--cfg=job": "print the config as YAML instead of running it; hydra and all print Hydra's "
        "part too",
        "--resolve": "with --cfg: replace interpolations by their values",
        "--info=defaults": "say where the config comes from: all, config, defaults, "
        "defaults-tree, plugins, searchpath",
        "--help": "all groups, and every key of the config with its value and meaning",
        "--hydra-help": "what Hydra itself takes",
    },
    has_own_help=True,
)

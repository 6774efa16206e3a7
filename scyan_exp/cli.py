"""The console script ``scyan-exp``: commands, exit codes, and how errors are shown.

Exit codes: 0 done; 1 a run (or a job of a sweep) failed; 2 the config or an input is wrong, and
nothing was trained; 130 stopped by Ctrl-C. Torch is imported only when something is trained.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scyan_exp import __version__
from scyan_exp.errors import InputError, near_matches
from scyan_exp.files import unwritable
from scyan_exp.job import DONE, FAILED, INTERRUPTED, WRONG_INPUT, JobFailed, TrainJob, discard
from scyan_exp.output import outlive_readers

HELP = """\
scyan-exp: experiments with Scyan models, from YAML to annotated cells.

usage: scyan-exp COMMAND [ARGUMENTS]

commands:
  train       train, annotate and measure one experiment, a sweep with -m, or a search
  resume      go on with a sweep of the fleet launcher, or a search, that was cut off

examples:
  scyan-exp train                                        built-in cells, default settings
  scyan-exp train dataset=h5ad dataset.path=cells.h5ad table.path=table.csv
  scyan-exp train flow=deep prior=tight model.temperature=1
  scyan-exp train -m seed=0,1,2 model.prior_std=0.2,0.3  a sweep of six runs
  scyan-exp train -m seed=0,1,2 hydra/launcher=fleet     the same on all devices
  scyan-exp train search=quick hydra/launcher=fleet      a hyperparameter search
  scyan-exp resume outputs/sweeps/2026-11-22_10-15-00    what is missing of a sweep or search
  scyan-exp train --help                                 all groups and the composed config
  scyan-exp train --cfg job --resolve                    the config, without running it

options:
  -h, --help  this text
  --version   the version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    outlive_readers()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": train,
        "resume": resume,
        "ddp-peer": _ddp_peer,
    }
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return DONE
    if arguments[0] == "--version":
        print(f"scyan-exp {__version__}")
        return DONE
    command, *rest = arguments
    if command not in commands:
        hint = near_matches(command, ["train", "resume"])
        return _refuse(f"unknown command {command!r}.{hint} See scyan-exp --help")
    try:
        return commands[command](rest)
    except KeyboardInterrupt:  # before there is anything to save
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def train(arguments: list[str]) -> int:
    """Train one experiment, or a sweep with ``-m``; arguments as Hydra takes them."""
    import hydra

    from scyan_exp.command_line import command_problems
    from scyan_exp.compose import COMPOSE_ERRORS, configs_folder, first_lines, quiet_presets
    from scyan_exp.overrides import flags_first, with_multirun
    from scyan_exp.safety import unsafe_problems

    _set_environment()
    arguments = with_multirun(flags_first(arguments))
    sys.argv = ["scyan-exp train", *arguments]
    problems = unsafe_problems(arguments)
    if not problems and {"-m", "--multirun"} & set(arguments):
        problems = command_problems(arguments)  # before Hydra writes the folder of the sweep
    if problems:
        return _refuse(InputError(problems, where="config"))
    app = hydra.main(str(configs_folder()), "train", version_base="1.3")(TrainJob())
    quiet_presets()

    def run() -> None:
        try:
            app()
        except InputError:  # of a launcher, before the first job; itself a ValueError
            raise
        except COMPOSE_ERRORS as error:
            problems = command_problems(arguments) or [first_lines(error)]
            raise InputError(problems, where="config") from error
        except OSError as error:  # of Hydra's own files: a job explains its errors itself
            raise SystemExit(_refuse_output(error)) from error

    return _exit_code(run)


def resume(arguments: list[str]) -> int:
    """Go on with a sweep: ``resume FOLDER [key=value of hydra.launcher ...]``."""
    _set_environment()
    from scyan_exp.sweep.resume import resume_sweep, search_arguments

    if not arguments or arguments[0].startswith("-"):
        return _refuse("usage: scyan-exp resume FOLDER_OF_THE_SWEEP [devices=... retries=... ...]")
    try:
        of_search = search_arguments(Path(arguments[0]), arguments[1:])
    except InputError as error:
        return _refuse(error)
    if of_search is not None:  # the same command into the same folder
        return train(of_search)
    return _exit_code(lambda: resume_sweep(Path(arguments[0]), arguments[1:], TrainJob()))


def _exit_code(run: Callable[[], object]) -> int:
    """Run, and say how it ended."""
    try:
        run()
    except InputError as error:
        return _refuse(error)
    except JobFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    return DONE


def _set_environment() -> None:
    """Defaults of the libraries' own variables; what the user has set stays."""
    # Hydra hands its errors to us, instead of printing them and exiting with 1.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    # Threads of a run wait for each other busily for 300,000 rounds by default, which starves
    # every other run on the machine; after 5,000 rounds they sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    # Torch warns on every DDP run that some epoch used all parameters: so it should be.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def _ddp_peer(arguments: list[str]) -> int:
    """Another process of a run (started by the run itself): its config comes on stdin."""
    import json

    from scyan_exp.experiment import run_peer

    run_peer(json.loads(sys.stdin.readline()), Path(arguments[0]))
    return DONE


def _refuse_output(error: OSError) -> int:
    """Hydra could not write its files: say where, and leave none behind."""
    handlers = logging.getLogger().handlers
    logs = [Path(h.baseFilename) for h in handlers if isinstance(h, logging.FileHandler)]
    for path in logs:
        discard(path.parent)
    where = error.filename or (logs[-1].parent if logs else None)
    return _refuse(unwritable(error, where))


def _refuse(message: object) -> int:
    print(message, file=sys.stderr)
    return WRONG_INPUT

"""The console script ``scyan-exp``: commands, exit codes, and how errors are shown.

Exit codes: 0 done; 1 a run (or a job of a sweep) failed; 2 the config or an input is wrong, and
nothing was trained; 130 stopped by Ctrl-C. Torch is imported only when something is trained.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp import __version__
from scyan_exp.errors import InputError, near_matches
from scyan_exp.files import unwritable

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from scyan_exp.results.tracking import RunIdentity

log = logging.getLogger(__name__)

HELP = """\
scyan-exp: experiments with Scyan models, from YAML to annotated cells.

usage: scyan-exp COMMAND [ARGUMENTS]

commands:
  train       train, annotate and measure one experiment, or a sweep with -m

examples:
  scyan-exp train                                        built-in cells, default settings
  scyan-exp train dataset=h5ad dataset.path=cells.h5ad table.path=table.csv
  scyan-exp train flow=deep prior=tight model.temperature=1
  scyan-exp train -m seed=0,1,2 model.prior_std=0.2,0.3  a sweep of six runs
  scyan-exp train --help                                 all groups and the composed config
  scyan-exp train --cfg job --resolve                    the config, without running it

options:
  -h, --help  this text
  --version   the version
"""

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class JobFailed(RuntimeError):
    """A job of a sweep failed; its error is already in its log and on the terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], int]] = {"train": train, "ddp-peer": _ddp_peer}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return DONE
    if arguments[0] == "--version":
        print(f"scyan-exp {__version__}")
        return DONE
    command, *rest = arguments
    if command not in commands:
        hint = near_matches(command, ["train"])
        return _refuse(f"unknown command {command!r}.{hint} See scyan-exp --help")
    return commands[command](rest)


def train(arguments: list[str]) -> int:
    """Train one experiment, or a sweep with ``-m``; arguments as Hydra takes them."""
    import hydra

    from scyan_exp.compose import (
        COMPOSE_ERRORS,
        command_problems,
        configs_folder,
        first_lines,
        unsafe_problems,
    )

    # Hydra hands its errors to us, instead of printing them and exiting with 1.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    # Threads of a run wait for each other busily for 300,000 rounds by default, which starves
    # every other run on the machine; after 20,000 rounds they sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # Torch warns on every DDP run that some epoch used all parameters: so it should be.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    sys.argv = ["scyan-exp train", *arguments]
    problems = unsafe_problems(arguments)
    if not problems and {"-m", "--multirun"} & set(arguments):
        problems = command_problems(arguments)  # before Hydra writes the folder of the sweep
    if problems:
        return _refuse(InputError(problems, where="config"))
    app = hydra.main(str(configs_folder()), "train", version_base="1.3")(_job)
    try:
        app()
    except COMPOSE_ERRORS as error:
        problems = command_problems(arguments) or [first_lines(error)]
        return _refuse(InputError(problems, where="config"))
    except OSError as error:  # of Hydra's own files: a job explains its errors itself
        return _refuse_output(error)
    except JobFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    return DONE


def _job(config: DictConfig) -> float:
    """One job of Hydra's: a single run, or one of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    is_single = HydraConfig.get().mode == RunMode.RUN
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        return _checked_run(config, folder)
    except InputError as error:
        if is_single:  # Hydra lets SystemExit through, and takes other errors for its own
            _discard(folder)
            raise SystemExit(_refuse(error)) from error
        log.error("%s", error)
        raise JobFailed(f"a job had wrong input; see {folder / 'train.log'}") from error
    except KeyboardInterrupt:
        if is_single:
            _discard(folder)  # of a run that had not begun
        raise
    except Exception as error:
        log.exception("the run failed; see %s", folder / "train.log")
        if is_single:
            raise SystemExit(FAILED) from error
        raise JobFailed(f"a job failed; see {folder / 'train.log'}") from error


def _checked_run(config: DictConfig, folder: Path) -> float:
    from omegaconf import OmegaConf

    from scyan_exp.config import check_config

    plain = check_config(config)
    OmegaConf.save(OmegaConf.create(plain), folder / ".hydra" / "config.yaml")
    from scyan_exp.experiment import run

    return run(plain, folder, _identity(config, folder))


def _identity(config: DictConfig, folder: Path) -> RunIdentity:
    """Name, group and tags of a job on dashboards."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from scyan_exp.results.tracking import RunIdentity

    job, is_sweep = HydraConfig.get(), HydraConfig.get().mode == RunMode.MULTIRUN
    sweep = Path(job.sweep.dir).name if is_sweep else None
    return RunIdentity(
        name=config.name or job.job.override_dirname or folder.name,
        group=config.group or sweep,
        tags=list(config.tags),
    )


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
        _discard(path.parent)
    where = error.filename or (logs[-1].parent if logs else None)
    return _refuse(unwritable(error, where))


def _discard(folder: Path) -> None:
    """Remove the folder of a run that never began, if Hydra's files are all it holds."""
    if {path.name for path in folder.glob("*")} <= {".hydra", "train.log"}:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in (folder.parent, folder.parent.parent):  # outputs/<day>, outputs
            if "outputs" in (parent.name, parent.parent.name) and not any(parent.iterdir()):
                parent.rmdir()


def _refuse(message: object) -> int:
    print(message, file=sys.stderr)
    return WRONG_INPUT

"""``scyan-exp annotate``: new cells, in files of any format, by what a run left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError
from scyan_exp.terminal import lines_on_terminal

if TYPE_CHECKING:
    from scyan_exp.config.wanted import PredictConfig

USAGE = (
    "usage: scyan-exp annotate CHECKPOINT_OR_FOLDER FILE [FILE ...] [out=FOLDER] "
    "[format=h5ad|csv|parquet|fcs] [predict.log_prob_th=-50] [predict.proba=true] "
    "[predict.key_added=scyan_pop] [correct.batch_ref=BATCH] "
    "[compensation=auto|false|FILE.csv] "
    "[metadata=FILE.csv]"
)
#: Options with a dot are keys of the config.
OPTIONS = [
    *("out", "format", "compensation", "metadata"),
    *("predict.log_prob_th", "predict.proba", "predict.key_added", "correct.batch_ref"),
]
#: Where results go.
DEFAULT = "annotated"
#: More than any command line has.
MANY = 1_000_000


def annotate(arguments: list[str]) -> int:
    """Annotate files: ``annotate CHECKPOINT_OR_FOLDER FILE ... [key=value ...]``."""
    set_environment()
    return exit_code(lambda: _annotate(parse(arguments, USAGE, (2, MANY), OPTIONS)))


def _annotate(given: Given) -> None:
    from scyan_exp.run.annotating.files import annotate_files

    checkpoint, *paths = given.paths
    options, begun = given.options, time.perf_counter()
    with lines_on_terminal():
        done = annotate_files(
            checkpoint,
            paths,
            Path(options.get("out", DEFAULT)).expanduser(),
            result=options.get("format", "h5ad"),
            settings=_settings(checkpoint, given),
            batch_ref=options.get("correct.batch_ref"),
            compensation=_compensation(options.get("compensation")),
            metadata=options.get("metadata"),
        )
    n_cells, seconds = sum(one.n_cells for one in done), time.perf_counter() - begun
    files = "1 file" if len(done) == 1 else f"{len(done)} files"
    print(f"{files}, {n_cells:,} cells, in {seconds:.1f} s: {done[0].output.parent}")


def _settings(checkpoint: Path, given: Given) -> PredictConfig:
    """Those of the run, with what was typed."""
    from scyan_exp.run.annotating.models import checked_settings
    from scyan_exp.run.settings_of import settings_of

    typed = {
        key.removeprefix("predict."): _value(key, text)
        for key, text in given.options.items()
        if key.startswith("predict.")
    }
    return checked_settings({**settings_of(checkpoint).model_dump(), **typed})


def _value(key: str, text: str) -> Any:
    """A value as YAML has it."""
    from scyan_exp.documents import parse_yaml

    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"{key}: expected a value, found {text!r}") from error
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _compensation(text: str | None) -> str | bool | None:
    if text is not None and text.lower() in ("true", "yes", "on"):
        raise InputError(f"compensation: expected auto, false or FILE.csv, found {text!r}")
    return False if text is not None and text.lower() in ("false", "no", "off") else text


COMMAND = Command(
    "annotate",
    "annotate new cells, in files of any format, with the model of a run",
    annotate,
    (
        (
            "annotate outputs/2026-11-22/10-15-00 new.h5ad",
            "to annotated/new.annotated.h5ad",
        ),
    ),
    usage=USAGE,
    options={
        "CHECKPOINT_OR_FOLDER": "the folder of a run, or a checkpoint of its model",
        "FILE": "files with cells, or folders of them: h5ad, CSV, Parquet or FCS",
        "out=FOLDER": "where the annotated files go; annotated/ by default",
        "format=h5ad|csv|parquet|fcs": "format of the annotated files; h5ad by default",
        "predict.log_prob_th=-50": "cells whose log-probability is below stay unannotated; as in "
        "the run by default",
        "predict.proba=true": "keep the probability of every population for each cell",
        "predict.key_added=scyan_pop": "the column of obs with the populations",
        "correct.batch_ref=BATCH": "also correct the expressions of all cells to this batch of "
        "the run",
        "compensation=auto|false|FILE.csv": "of FCS files: each file's own spillover matrix, "
        "none, or a CSV with a matrix",
        "metadata=FILE.csv": "a CSV with a row a file: its name, then columns such as batch or "
        "patient",
    },
)

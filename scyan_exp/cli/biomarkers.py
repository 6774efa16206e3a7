"""``scyan-exp biomarkers``: counts and intensities of annotated cells, by sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, read_options, refuse, set_environment
from scyan_exp.errors import InputError
from scyan_exp.terminal import lines_on_terminal

KEYS = ("sample_key", "group_key", "level", "channels")
USAGE = (
    "usage: scyan-exp biomarkers FOLDER_OR_FILES... [sample_key=COLUMN] [group_key=COLUMN] "
    "[level=LEVEL] [channels=A,B] [metadata=FILE.csv] [out=FOLDER]"
)


def biomarkers(arguments: list[str]) -> int:
    """Measure samples: ``biomarkers FILES... [sample_key=..] [group_key=..] [level=..]``."""
    set_environment()
    try:
        words, given = read_options(arguments, (*KEYS, "metadata", "out"), USAGE)
    except InputError as error:
        return refuse(error)
    if not words:
        return refuse(USAGE)
    return exit_code(lambda: _measure([Path(word) for word in words], given))


def _measure(paths: Sequence[Path], given: dict[str, str]) -> None:
    from scyan_exp.run.measured_samples import measure_again

    out, metadata = (
        Path(given.pop(key)).expanduser() if key in given else None for key in ("out", "metadata")
    )
    with lines_on_terminal():
        folder = measure_again(paths, given, out, metadata)
    print(folder)


COMMAND = Command(
    "biomarkers",
    "counts, shares and intensities of annotated cells by sample, and groups of samples compared",
    biomarkers,
    (
        ("biomarkers outputs/2026-11-22/10-15-00-000000 sample_key=sample", "a row a sample"),
        ("biomarkers annotated/", "annotated files, each a sample"),
    ),
    usage=USAGE,
    options={
        "FOLDER_OR_FILES...": "the folder of a run, or annotated files, or folders of them",
        "sample_key=COLUMN": "column of obs with the sample; of annotated files each is a sample "
        "by default",
        "group_key=COLUMN": "column of obs with the group of each sample, such as patient or "
        "control",
        "level=LEVEL": "a level of the table within which shares are taken",
        "channels=A,B": "columns of obs that are measured as markers are",
        "metadata=FILE.csv": "a CSV with a row a file: its name, then columns such as the group",
        "out=FOLDER": "where the tables and figures go; beside the cells by default",
    },
)

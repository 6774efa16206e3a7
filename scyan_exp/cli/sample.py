"""``scyan-exp sample``: synthetic cells from the model of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, read_options, set_environment
from scyan_exp.errors import InputError

USAGE = "usage: scyan-exp sample RUN [n=1000] [population=NAME] [batch=NAME] [seed=0] [out=FILE]"
OPTIONS = ("n", "population", "batch", "seed", "out")
#: In the folder of the run, if nobody names another file.
DEFAULT = "sampled.h5ad"


def sample(arguments: list[str]) -> int:
    """Draw cells: ``sample RUN [n=...] [population=...] [batch=...] [seed=...] [out=FILE]``."""
    set_environment()
    return exit_code(lambda: _sample(arguments))


def _sample(arguments: Sequence[str]) -> None:
    words, given = read_options(arguments, OPTIONS, USAGE)
    if len(words) != 1:
        raise InputError(USAGE)
    run = Path(words[0]).expanduser()
    n, seed = _numbers(given)
    out = Path(given["out"]).expanduser() if "out" in given else _beside(run)

    from scyan_exp.run.sampling import sample_cells
    from scyan_exp.run.sampling_file import check_new_file, write_sampled

    check_new_file(out)
    cells = sample_cells(run, n, _populations(arguments), given.get("batch"), seed)
    write_sampled(cells, out)
    drawn = cells.obs.iloc[:, 0].nunique()  # the populations stand first
    print(f"{n:,} cells of {drawn} population{'s' * (drawn != 1)}: {out}", flush=True)


def _populations(arguments: Sequence[str]) -> list[str]:
    """Those of every ``population=NAME``: it may stand there several times."""
    words = [one.removeprefix("--") for one in arguments]
    equals = [one.partition("=")[2] for one in words if one.startswith("population=")]
    return equals + [after for one, after in pairwise(words) if one == "population"]


def _numbers(given: dict[str, str]) -> tuple[int, int]:
    """Number of cells, and seed."""
    values = {"n": given.get("n", "1000"), "seed": given.get("seed", "0")}
    numbers = {key: _whole(value) for key, value in values.items()}
    problems = [
        f"{key}: expected a whole number, found {values[key]!r}"
        for key, number in numbers.items()
        if number is None
    ]
    if problems:
        raise InputError(problems)
    return numbers["n"] or 0, numbers["seed"] or 0


def _whole(text: str) -> int | None:
    """A number without a sign, such as 1_000; None for anything else."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number >= 0 else None


def _beside(run: Path) -> Path:
    """Where the cells go if nobody says so: the folder of the run, or of the checkpoint."""
    return (run if run.is_dir() else run.parent) / DEFAULT


COMMAND = Command(
    "sample",
    "draw synthetic cells from the model of a run",
    sample,
    (("sample outputs/2026-11-22/10-15-00 n=1000 out=cells.h5ad", "1,000 cells"),),
    usage=USAGE,
    options={
        "RUN": "the folder of a run, or a checkpoint of its model",
        "n=1000": "how many cells",
        "population=NAME": "draw this population alone; may stand there several times",
        "batch=NAME": "draw cells of this batch; by default the batches are as frequent as in "
        "training",
        "seed=0": "the same seed draws the same cells",
        "out=FILE": "the h5ad file; sampled.h5ad in the folder of the run by default",
    },
)

"""``scyan-exp demo``: one experiment on built-in cells, with words on each step."""

from __future__ import annotations

import os
import platform
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment, short_warnings
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from scyan_exp.run.read_run import Run

USAGE = "usage: scyan-exp demo [folder=FOLDER] [open=false]"
#: What of the table is shown: enough to see what a table is.
ROWS = ("Naive CD4 T cells", "Memory CD8 T cells", "Naive B cells", "NK cells")
COLUMNS = ("CD3", "CD4", "CD8", "CD19", "CD16", "CD56")

CELLS = """\
1. The cells and the table
   {n_cells:,} cells of human blood, made by the program itself: nothing is downloaded.
   The knowledge table says what is known of {n_populations} populations: 1 has the marker, -1 lacks
   it, blank is not known. A part of it:

{table}
"""
TRAINING = """
2. The training
   The model sees the cells and the table, and no label. Each line below is an epoch; `agreement`
   says how well the cells follow the table. In epochs marked (temperature), small populations
   count for more. Training stops by itself when there is nothing more to gain.
"""
VERDICT = """
3. The verdict: {verdict}
   It needs no labels. {meaning}
   These cells come with labels, so we can look: {accuracy:.1%} got the right population.
"""
FILES = """
4. The files, in {folder}
{files}
"""
NEXT = """
Next: scyan-exp new FOLDER makes a folder to start from, for cells of your own."""
MEANINGS = {
    "good": "Nothing speaks against this annotation.",
    "look at these populations": "The lines above say what to look at.",
    "do not use": "The lines above say why.",
}
#: What each file is, by its name in :class:`~scyan_exp.run.folder.RunFolder`.
DESCRIPTIONS = {
    "report": "all of this as one page",
    "annotated": 'the cells, with their populations in obs["scyan_pop"]',
    "figures": "pictures: the table beside the cells, the loss, counts, ...",
    "result": "every metric, and the verdict with its reasons",
    "population_weights": "the share of each population, epoch by epoch",
    "metrics": "the loss and more, epoch by epoch",
    "checkpoints": "the model: annotates new cells (scyan-exp annotate)",
    "hydra": "the settings of this run, all of them",
    "log": "what was printed above",
    "wandb": "the same for Weights & Biases, kept on this machine",
}


def demo(arguments: list[str]) -> int:
    """Train on built-in cells and explain it: ``demo [folder=FOLDER] [open=false]``."""
    set_environment()
    short_warnings()
    return exit_code(lambda: _demo(parse(arguments, USAGE, (0, 0), ["folder", "open"])))


def _demo(given: Given) -> None:
    opens = given.options.get("open", "true")
    problems = []
    if opens not in ("true", "false"):
        problems.append(f"open: expected true or false, found {opens!r}")
    folder = given.options.get("folder")
    if folder is not None and (not folder or os.path.lexists(folder)):
        problems.append(f"folder: {folder or 'the current one'} exists: name a new one")
    if problems:
        raise InputError(problems)
    page = explained_run([] if folder is None else [_run_dir(Path(folder))])
    print(f"\nThe report: {page}{NEXT}", flush=True)
    if opens == "true" and can_open():
        with suppress(webbrowser.Error, OSError):  # the address is printed already
            webbrowser.open(page.as_uri())


def _run_dir(folder: Path) -> str:
    from scyan_exp.config.overrides import quoted

    return f"hydra.run.dir={quoted(str(folder.absolute()))}"


def explained_run(overrides: Sequence[str]) -> Path:
    """Run what ``scyan-exp train`` runs, with words before and after.

    Args:
        overrides: what differs from the default config.

    Returns:
        The page of the run.

    Raises:
        InputError: the results cannot be written.
        SystemExit: the run failed.
    """
    from scyan_exp.cli.notebook import Placed
    from scyan_exp.cli.train import start, task
    from scyan_exp.config.compose import compose_config
    from scyan_exp.report.write import write_report
    from scyan_exp.run.read_run import read_run

    config = compose_config([one for one in overrides if not one.startswith("hydra.")])
    _say(_of_cells(int(config.dataset.n_cells)) + TRAINING)
    job = Placed(task())
    start(overrides, job)
    assert job.folder is not None
    page = write_report(job.folder)
    run = read_run(job.folder)
    _say(_of_verdict(run) + FILES.format(folder=_shown(run.folder), files=_listed(run.folder)))
    return page.absolute()


def _say(text: str) -> None:
    print(text, end="", flush=True)  # before the log, which goes to the other stream


def _of_cells(n_cells: int) -> str:
    from scyan_exp.data.synthetic import load_pbmc_table
    from scyan_exp.terminal import aligned

    table = load_pbmc_table()
    signs = {1.0: "1", -1.0: "-1"}
    rows = [["", *COLUMNS]]
    for name in ROWS:
        entries = dict(zip(table.markers, table.rho[table.populations.index(name)], strict=True))
        rows.append([name, *(signs.get(entries[marker], "") for marker in COLUMNS)])
    lines = "\n".join(f"      {line}" for line in aligned(rows, COLUMNS))
    return CELLS.format(n_cells=n_cells, n_populations=len(table.populations), table=lines)


def _of_verdict(run: Run) -> str:
    trust = run.record.trust
    assert trust is not None
    verdict, accuracy = str(trust["verdict"]), run.metrics["accuracy"]
    assert accuracy is not None
    return VERDICT.format(verdict=verdict, meaning=MEANINGS[verdict], accuracy=accuracy)


def _listed(folder: Path) -> str:
    from scyan_exp.terminal import aligned

    rows = [[name, text] for name, text in _files(folder)]
    return "\n".join(f"   {line}" for line in aligned(rows))


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """The name of each file that is there, and what it is."""
    from scyan_exp.run.folder import RunFolder

    for name, text in DESCRIPTIONS.items():
        path: Path = getattr(RunFolder(folder), name)
        if path.exists():
            yield path.name + "/" * path.is_dir(), text


def _shown(folder: Path) -> Path:
    """Short where it lies below the current folder."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def can_open() -> bool:
    """Whether somebody sits at a screen who would see a browser."""
    if not sys.stdout.isatty():
        return False
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return platform.system() != "Linux" or any(os.environ.get(name) for name in screens)


COMMAND = Command(
    "demo",
    "train on built-in cells with words on each step, and open the report",
    demo,
    (("demo", "a first look: half a minute, nothing is downloaded"),),
    usage=USAGE,
    options={
        "folder=FOLDER": "a new folder for the results; outputs/<day>/<time> if you do not say",
        "open=false": "only say where the report is; without a screen it is not opened anyway",
    },
)

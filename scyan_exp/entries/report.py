"""What a sweep over a table's entries found: a table, a figure and words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from scyan_exp.entries.corrections import Correction, corrections
from scyan_exp.entries.edits import shown
from scyan_exp.entries.effects import Effect, read_effects
from scyan_exp.entries.figure import entries_figure
from scyan_exp.entries.fillings import worth_filling
from scyan_exp.entries.listing import read_edits
from scyan_exp.errors import InputError
from scyan_exp.files import atomic_path, write_text
from scyan_exp.results.figures.drawing import DPI
from scyan_exp.run.folder import SweepFolder

ENTRY = ("population", "marker", "before", "after")
COLUMNS = (
    *(*ENTRY, "changed", "gains", "loses", "opposite_side", "agreement", "loss", "accuracy"),
    "to_correct",
)
#: Lines of each list in the terminal.
MOST_LINES = 10
#: Share of the cells that must change before an edit is worth a line.
WORTH_A_LINE = 0.005
#: Why nothing more is said of an entry.
_NO_CELLS = "hardly any cell fits the row now"


def report_entries(sweep_dir: Path) -> None:
    """Write the table and the figure, and print the words; nothing for another sweep.

    Raises:
        InputError: the files of the sweep are damaged or gone.
    """
    edits = read_edits(sweep_dir)
    if not edits:
        return
    try:
        cells, effects = read_effects(sweep_dir, edits)
    except InputError as error:
        print(f"{error}", flush=True)
        return
    if not effects:
        print("No edit of the table has been trained: there is nothing to say.", flush=True)
        return
    sweep, to_correct = SweepFolder(sweep_dir), corrections(effects, cells)
    write_text(sweep.entries_table, as_csv(effects, to_correct))
    sweep.figures.mkdir(exist_ok=True)
    path = sweep.figures / "table_entries.png"
    with atomic_path(path) as temporary:
        entries_figure(cells.table, effects).savefig(temporary, dpi=DPI, format="png")
    print(*words(effects, to_correct), sep="\n")
    if len(effects) < len(edits):
        print(f"{len(edits) - len(effects)} of {len(edits)} edits are not completed.")
    print(f"Every entry: {sweep.entries_table} and {path}", flush=True)


def as_csv(effects: Sequence[Effect], to_correct: Sequence[Correction]) -> str:
    """A row an edit, in the order of the table."""
    places = {one.effect.edit: place for place, one in enumerate(to_correct, start=1)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in effects:
        edit = one.edit
        measured = (one.changed, one.opposite, one.agreement, one.loss, one.accuracy)
        changed, *rest = ["" if np.isnan(value) else f"{value:.6g}" for value in measured]
        entry = ["" if value is None else f"{value:g}" for value in (edit.before, edit.after)]
        place = places.get(edit, "")
        writer.writerow(
            [edit.population, edit.marker, *entry, changed, one.gains, one.loses, *rest, place]
        )
    return text.getvalue()


def words(effects: Sequence[Effect], to_correct: Sequence[Correction]) -> Iterator[str]:
    """What is worth knowing, for the terminal."""
    moving = [one for one in effects if one.changed >= WORTH_A_LINE]
    moving.sort(key=lambda one: -one.changed)
    yield from _listed(
        "The annotation hangs most on these entries (share of the cells that change):",
        [(one, _moved(one)) for one in moving if one.edit.is_blanked],
    )
    yield from _listed(
        "Of the blanks, these change most when filled:",
        [(one, _moved(one)) for one in moving if not one.edit.is_blanked],
    )
    if not moving:
        yield "No edit changes the annotation of 0.5% of the cells or more."
    if any(one.edit.is_blanked for one in effects):
        yield from _listed(
            "These entries contradict the cells or names (the first ones may explain the others):",
            [(one.effect, _contradicted(one)) for one in to_correct],
            "No entry contradicts the cells.",
        )
    if not all(one.edit.is_blanked for one in effects):
        yield from _listed(
            "These blanks would be worth filling (the cells follow the rest of the table better):",
            [
                (one, f"agreement {one.agreement:+.3f}, {_moved(one)}")
                for one in worth_filling(effects)
            ],
            "Filling a blank makes no cells follow the rest of the table clearly better.",
        )


def _listed(head: str, said: Sequence[tuple[Effect, str]], none: str = "") -> Iterator[str]:
    """A line an edit below a head; ``none`` without any."""
    if said or none:
        yield head if said else none
    for one, text in said[:MOST_LINES]:
        edit = one.edit
        entry = f"{edit.population}, {edit.marker}: {shown(edit.before)} -> {shown(edit.after)}"
        yield f"  {entry}: {text}"


def _contradicted(one: Correction) -> str:
    better = f"{one.gained:.1%} of the cells fit the table better"
    if one.said:
        return f"{one.said}; with the opposite sign {better}, {one.lost:.1%} worse"
    if one.together is not None:
        other = one.together.edit.marker
        return f"with the opposite sign here and at {other} {better}; {_NO_CELLS}"
    if np.isnan(one.effect.opposite):
        return f"with the opposite sign {better}; making it blank tells nothing"
    text = f"{one.effect.opposite:.0%} of the way to the cells of the opposite sign"
    return f"{text}, with which {better}" if one.score > 0 else text


def _moved(one: Effect) -> str:
    gains = f", most go to {one.gains}" if one.gains else ""
    loses = f", most leave {one.loses}" if one.loses else ""
    return f"{one.changed:.1%} of the cells{loses}{gains}"

"""``scyan-exp ls``: the runs, sweeps and searches below a folder, or the jobs of a sweep."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from scyan_exp.report.jobs_listing import JobsTable
    from scyan_exp.report.listing import Entry
    from scyan_exp.report.sorting import Order

USAGE = "usage: scyan-exp ls [FOLDER] [sort=NAME] [--csv | --json]"
DEFAULT = "outputs"
CSV, JSON = "--csv", "--json"
#: Metrics that are shown beside the objective, where there are labels.
SHOWN = ("accuracy", "f1_macro")


def ls(arguments: list[str]) -> int:
    """List runs, sweeps and searches: ``ls [FOLDER] [sort=NAME] [--csv | --json]``."""
    set_environment()
    return exit_code(lambda: _ls(parse(arguments, USAGE, (0, 1), ["sort"], [CSV, JSON])))


def _ls(given: Given) -> None:
    from scyan_exp.report.finding import Kind, kind_of

    if given.flags == {CSV, JSON}:
        raise InputError(f"{CSV} and {JSON}: choose one of them")
    folder = given.paths[0] if given.paths else Path(DEFAULT)
    if kind_of(folder) in (Kind.SWEEP, Kind.SEARCH):
        _ls_jobs(folder, given)
    else:
        _ls_folder(folder, given)


def _ls_folder(folder: Path, given: Given) -> None:
    from scyan_exp.report.listing import COLUMNS, list_entries, sort_entries
    from scyan_exp.report.sorting import parse_order

    entries = list_entries(folder)
    metrics = list(dict.fromkeys(name for entry in entries for name in entry.metrics))
    order = parse_order(given.options.get("sort", "when"), COLUMNS, metrics)
    entries = sort_entries(entries, order)
    if JSON in given.flags:
        _print_json([entry.to_dict() for entry in entries])
    elif CSV in given.flags:
        _print_csv(*_flat(entries, metrics))
    else:
        _show_entries(folder, entries, order)


def _ls_jobs(folder: Path, given: Given) -> None:
    from scyan_exp.report.jobs_listing import COLUMNS, read_jobs_table
    from scyan_exp.report.sorting import parse_order

    table = read_jobs_table(folder)
    order = parse_order(given.options.get("sort", "objective"), COLUMNS, table.metrics)
    rows = table.sorted(order)
    if JSON in given.flags:
        _print_json([{name: row.get(name) for name in table.columns} for row in rows])
    elif CSV in given.flags:
        _print_csv(table.columns, rows)
    else:
        _show_jobs(table, rows, order)


def _show_entries(folder: Path, entries: Sequence[Entry], order: Order) -> None:
    from scyan_exp.report.labels import labels_of
    from scyan_exp.terminal import one_line, print_table, short_numbers

    if not entries:
        print(f"{folder}: no run and no sweep in it")
        return
    typed = [one for one in entries if one.kind != "consensus"]
    labels, shared = labels_of([one.what for one in typed])
    label_of = dict(zip((one.folder for one in typed), labels, strict=True))
    columns = ["when", "kind", "folder", "ended", "objective", order.name, "verdict", "what"]
    rows = [
        [
            "" if one.when is None else f"{one.when:%Y-%m-%d %H:%M}",
            str(one.kind),
            str(one.folder),
            _ended(one.outcomes),
            _objective(one),
            _number(one.metrics.get(order.name)) if order.is_metric else "",
            one.verdict,
            short_numbers(label_of.get(one.folder, " ".join(one.what))),
        ]
        for one in entries
    ]
    numbers = [order.name] if order.is_metric else []
    print_table(columns, rows, numbers=numbers)
    if shared:
        print(one_line(f"all: {' '.join(shared)}"))
    print(*_notes((str(one.folder), one.note) for one in entries), sep="", end="", flush=True)


def _show_jobs(table: JobsTable, rows: Sequence[Mapping[str, Any]], order: Order) -> None:
    from scyan_exp.terminal import print_table, short_numbers

    metrics = [order.name] if order.is_metric else []
    metrics += [name for name in SHOWN if name in table.metrics and name not in metrics]
    name = "objective" if table.goal is None else " ".join(table.goal.names)
    metrics = [one for one in metrics if one != name]
    numbers = [name, *metrics, "epochs", "seconds"]
    texts = [
        [
            str(row["job"]),
            str(row["outcome"]),
            *(_number(row.get(one)) for one in ("objective", *metrics, "epochs")),
            _seconds(row),
            row["verdict"] or "",
            short_numbers(table.labels[row["job"]]),
        ]
        for row in rows
    ]
    columns = ["job", "outcome", *numbers, "verdict", "overrides"]
    print_table(columns, texts, numbers=["job", *numbers])
    failed = ((f"job {row['job']}", row["error"]) for row in rows)
    print(*_notes(failed), sep="", end="", flush=True)


def _notes(notes: Iterable[tuple[str, str | None]]) -> Iterable[str]:
    from scyan_exp.terminal import one_line

    return [f"{one_line(f'{where}: {note}')}\n" for where, note in notes if note]


def _ended(outcomes: Mapping[str, int]) -> str:
    """'completed' of a run, '17 completed, 1 failed' of a sweep."""
    if sum(outcomes.values()) == 1:
        return next(one for one, n in outcomes.items() if n)
    return ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())


def _objective(entry: Entry) -> str:
    value = _number(entry.objective)
    return f"{' '.join(entry.goal.names)} {value}" if entry.goal and value else value


def _seconds(row: Mapping[str, Any]) -> str:
    seconds = row["seconds"] if row["seconds"] == row["seconds"] else row["fit_seconds"]
    return f"{seconds:.1f}" if seconds == seconds else ""


def _number(value: Any) -> str:
    """Four digits, for people."""
    if isinstance(value, list):
        return " ".join(_number(one) or "?" for one in value)
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _flat(
    entries: Sequence[Entry], metrics: Sequence[str]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns and rows of the entries; a metric is a column."""
    rows = []
    for entry in entries:
        values = entry.to_dict()
        values["outcomes"] = _ended(values.pop("outcomes"))
        rows.append({**values.pop("metrics"), **values})
    own = ["folder", "kind", "when", "what", "jobs", "outcomes", "objective_name", "objective"]
    return [*own, "best_job", "verdict", "seconds", "note", *metrics], rows


def _print_json(rows: Sequence[dict[str, Any]]) -> None:
    from scyan_exp.files import finite

    print(json.dumps(finite(rows), indent=2, allow_nan=False), flush=True)


def _print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    sys.stdout.flush()


def _cell(value: Any) -> Any:
    """Numbers with all their digits; nothing where there is none."""
    if value is None or value != value:
        return ""
    return json.dumps(value) if isinstance(value, (list, dict)) else value


COMMAND = Command(
    "ls",
    "list runs, sweeps and searches below a folder, or the jobs of a sweep",
    ls,
    (
        ("ls", "all that lies in outputs/, the newest first"),
        ("ls outputs/sweeps/2026-11-22_10-15-00 sort=accuracy", "the jobs of a sweep"),
    ),
    usage=USAGE,
    options={
        "FOLDER": "where to look, or a sweep whose jobs are listed; outputs/ by default",
        "sort=NAME": "the column or metric to sort by, the best first; with - before it, the worst",
        "--csv": "print all columns as CSV",
        "--json": "print all columns as JSON",
    },
)

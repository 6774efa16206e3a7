"""``scyan-exp compare``: what differs between two runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from scyan_exp.report.changes import Changes
    from scyan_exp.run.record import RunRecord

USAGE = "usage: scyan-exp compare RUN RUN [out=FOLDER]"
#: What is written to ``out=``: where the cells went, as a figure and as a table.
FIGURE, TABLE = "compare.png", "compare.csv"
#: Pairs of populations that the terminal shows.
MOST_MOVES = 15


def compare(arguments: list[str]) -> int:
    """Compare two runs: ``compare RUN RUN [out=FOLDER]``."""
    set_environment()
    return exit_code(lambda: _compare(parse(arguments, USAGE, (2, 2), ["out"])))


def _compare(given: Given) -> None:
    from scyan_exp.report.changes import read_changes

    a, b = given.paths
    records = _records(given.paths)
    _say_runs(records)
    has_two_tables = _say_config(a, b)
    _say_metrics(*records, has_two_tables=has_two_tables)
    unannotated = [path for path in (a, b) if not _is_annotated(path)]
    if unannotated and "out" not in given.options:
        print("\nAnnotation")
        print(*(f"  {_why_unannotated(path)}" for path in unannotated), sep="\n", flush=True)
        return
    changes = read_changes(a, b)
    _say_changes(changes)
    if "out" in given.options:
        _write(changes, a, b, Path(given.options["out"]))


def _records(folders: Sequence[Path]) -> list[RunRecord]:
    """The records of both runs; what is wrong with either is said at once."""
    from scyan_exp.run.record import RunRecord

    records, problems = [], []
    for folder in folders:
        try:
            records.append(RunRecord.of_run(folder))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError(problems)
    return records


def _say_runs(records: Sequence[RunRecord]) -> None:
    from scyan_exp.terminal import one_line

    for name, record in zip("AB", records, strict=True):
        n = len((record.repeats or {}).get("members", []))
        of = f", {n} repeats" if n else ""
        verdict = f", verdict: {record.verdict}" if record.verdict else ""
        print(one_line(f"{name}: {record.folder} ({record.status}{of}{verdict})"))


def _say_config(a: Path, b: Path) -> bool:
    """Returns whether they were trained with different tables, as far as their configs say."""
    from scyan_exp.report.differences import config_differences
    from scyan_exp.terminal import print_table

    differences = config_differences(a, b)
    print("\nConfig")
    if differences is None:
        print("  not compared: a consensus has no config of its own, or the file is gone")
    elif not differences:
        print("  the same")
    else:
        rows = [[f"  {key}", _value(one), _value(two)] for key, (one, two) in differences.items()]
        print_table(["  key", "A", "B"], rows)
    return any(key.startswith("table.") for key in differences or ())


def _say_metrics(a: RunRecord, b: RunRecord, *, has_two_tables: bool) -> None:
    from scyan_exp.report.differences import metric_differences
    from scyan_exp.terminal import print_table

    differences = metric_differences(a, b)
    print(
        "\nMetrics"
        + (" (mean, and standard deviation over the repeats)" if a.repeats or b.repeats else "")
    )
    if not differences:
        print("  none were measured")
        return
    if has_two_tables:
        print("  of two tables: only what is measured with labels can be compared")
    rows = [
        [
            f"  {one.name}",
            _number(one.a, one.sd_a),
            _number(one.b, one.sd_b),
            "" if one.difference is None else f"{one.difference:+.4g}",
            one.better,
            "less than the spread of the repeats" if one.is_within_spread else "",
        ]
        for one in differences
    ]
    columns = ["  metric", "A", "B", "B - A", "better", "difference"]
    print_table(columns, rows, numbers=["A", "B", "B - A"])


def _say_changes(changes: Changes) -> None:
    from scyan_exp.errors import listed
    from scyan_exp.terminal import one_line, print_table

    print("\nAnnotation")
    n_common = changes.n_common
    if n_common < max(changes.n_a, changes.n_b):
        of_a, of_b = n_common / changes.n_a, n_common / changes.n_b
        print(f"  {n_common:,} cells are in both: {of_a:.1%} of A's, {of_b:.1%} of B's")
    for name, only in (("A", changes.only_a), ("B", changes.only_b)):
        if only:
            print(one_line(f"  only in the table of {name}: {listed(only)}"))
    share = f"{changes.n_changed / n_common:.1%}"
    print(f"  {changes.n_changed:,} of {n_common:,} cells have another population in B ({share})")
    moves = list(changes.moves.head(MOST_MOVES).itertuples(index=False))
    if moves:
        rows = [[f"  {m[0]}", str(m[1]), f"{m[2]:,}", f"{m[3]:.2%}"] for m in moves]
        print_table(["  from", "to", "cells", "share"], rows, numbers=["cells", "share"])
    if len(changes.moves) > len(moves):
        rest = len(changes.moves) - len(moves)
        print(f"  and {rest} more pairs; out=FOLDER writes all of them", flush=True)


def _write(changes: Changes, a: Path, b: Path, out: Path) -> None:
    from scyan_exp.files import atomic_path, explain_unwritable, write_text
    from scyan_exp.report.changes_figure import DPI, changes_figure

    with explain_unwritable(out):
        out.mkdir(parents=True, exist_ok=True)
        with atomic_path(out / FIGURE) as temporary:
            figure = changes_figure(changes, str(a), str(b))
            figure.savefig(temporary, dpi=DPI, format="png")
        write_text(out / TABLE, changes.moves.to_csv(index=False, lineterminator="\n"))
    print(f"\nWritten: {out / FIGURE} and {out / TABLE}", flush=True)


def _is_annotated(folder: Path) -> bool:
    from scyan_exp.run.folder import RunFolder

    return RunFolder(folder).annotated.is_file()


def _why_unannotated(folder: Path) -> str:
    from scyan_exp.run.cleaned import why_gone
    from scyan_exp.run.folder import RunFolder

    why = why_gone(folder, RunFolder(folder).annotated)
    return f"not compared: {folder} has no annotated cells{f' ({why})' if why else ''}"


def _value(value: Any) -> str:
    """A value of a config as YAML would have it; what is not there as a dash."""
    from scyan_exp.report.differences import ABSENT

    if value is ABSENT:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _number(value: float | None, sd: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" + (f" ({sd:.2g})" if sd is not None else "")


COMMAND = Command(
    "compare",
    "what differs between two runs: config, metrics, and which cells changed population",
    compare,
    (("compare outputs/2026-11-22/10-15-00 outputs/2026-11-22/11-20-00", "two runs"),),
    usage=USAGE,
    options={
        "RUN": "the folders of two runs",
        "out=FOLDER": "also write a figure and a table of where the cells went",
    },
)

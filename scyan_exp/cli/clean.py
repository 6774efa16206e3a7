"""``scyan-exp clean``: checkpoints and annotated files of a sweep that nobody needs any more."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from scyan_exp.report.cleaning import Plan

USAGE = "usage: scyan-exp clean FOLDER_OF_THE_SWEEP [best=N] [--yes]"
YES = "--yes"


def clean(arguments: list[str]) -> int:
    """Show, and with ``--yes`` remove, what is not needed: ``clean FOLDER [best=N] [--yes]``."""
    set_environment()
    return exit_code(lambda: _clean(parse(arguments, USAGE, (1, 1), ["best"], [YES])))


def _clean(given: Given) -> None:
    from scyan_exp.fleet.locking import is_locked, locked
    from scyan_exp.report.cleaning import clean, plan_cleaning
    from scyan_exp.report.finding import Kind, kind_of
    from scyan_exp.run.read_sweep import why_no_sweep

    folder, n_best = given.paths[0], _number(given.options.get("best"))
    if kind_of(folder) not in (Kind.SWEEP, Kind.SEARCH):
        raise InputError(why_no_sweep(folder), where=str(folder))
    if YES not in given.flags:
        if is_locked(folder):
            raise InputError("this sweep is running; clean it when it has ended", str(folder))
        plan = plan_cleaning(folder, n_best)
        _show(plan, n_best)
        if plan.removals:
            again = shlex.join(["scyan-exp", "clean", str(folder), *_best(n_best), YES])
            print(f"Nothing has been removed. To remove these files: {again}", flush=True)
        return
    try:
        with locked(folder):
            plan = plan_cleaning(folder, n_best)
            _show(plan, n_best)
            clean(plan)
    except OSError as error:
        reason = f"its files cannot be changed ({error.strerror or error})"
        raise InputError(reason, where=str(folder)) from error
    if plan.removals:
        print("They are removed.", flush=True)


def _show(plan: Plan, n_best: int | None) -> None:
    from scyan_exp.report.labels import labels_of
    from scyan_exp.terminal import one_line, print_table, short_numbers

    if plan.best is not None:
        print(f"The best stay whole: {', '.join(f'job {number}' for number in plan.best)}")
    if plan.removals:
        labels, _ = labels_of([one.job.overrides for one in plan.removals])
        rows = [
            [
                str(one.job.number),
                one.outcome,
                str(len(one.files)),
                _size(one.n_bytes),
                short_numbers(label),
            ]
            for one, label in zip(plan.removals, labels, strict=True)
        ]
        print_table(["job", "outcome", "files", "size", "overrides"], rows,
                    numbers=["job", "files", "size"])  # fmt: skip
        count = f"{plan.n_files} checkpoints and annotated files, {_size(plan.n_bytes)} in all"
        print(f"{count}. Records, metrics, configs, logs and figures stay.")
    else:
        print(_nothing(n_best))
    for remark in plan.remarks:
        print(one_line(f"look: {remark}"))


def _nothing(n_best: int | None) -> str:
    if n_best is not None:
        return "Nothing is left to remove: the other jobs have no checkpoints or annotated files."
    return (
        "Nothing is left to remove of failed jobs. best=N also removes the checkpoints and "
        "annotated files of all jobs that are not among the best N."
    )


def _number(best: str | None) -> int | None:
    if best is None:
        return None
    if not best.isdecimal() or int(best) == 0:
        raise InputError(f"best: expected a number of jobs, 1 or more, found {best!r}")
    return int(best)


def _best(n_best: int | None) -> list[str]:
    return [] if n_best is None else [f"best={n_best}"]


def _size(n_bytes: int) -> str:
    """Bytes as people read them."""
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


COMMAND = Command(
    "clean",
    "show, and with --yes remove, checkpoints and annotated files of a sweep's lesser jobs",
    clean,
    (("clean outputs/sweeps/2026-11-22_10-15-00 best=3", "what is not among the best three"),),
    usage=USAGE,
    options={
        "FOLDER_OF_THE_SWEEP": "the sweep or the search whose files are looked through",
        "best=N": "remove the checkpoints and annotated files of all jobs but the best N",
        "--yes": "remove them; without it they are only shown",
    },
)

"""The files of a sweep: ``sweep.json``, its jobs, and ``sweep.csv``, what became of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.documents import read_json
from scyan_exp.errors import InputError
from scyan_exp.files import write_json, write_text
from scyan_exp.run.folder import FORMAT, check_format
from scyan_exp.run.outcome import Outcome

#: The first columns of ``sweep.csv``; a column a metric follows.
COLUMNS = ("job", "overrides", "status", "objective", "seconds", "device", "error", "folder")

#: A row of ``sweep.csv``: its cells by column.
Row = Mapping[str, str]


@dataclass(frozen=True)
class ListedJob:
    """A job as the list of a sweep has it; its config lies in its folder.

    Attributes:
        number: its number in the sweep.
        folder: its run folder, relative to that of the sweep where it lies in it.
        overrides: what distinguishes it, as typed.
    """

    number: int
    folder: str
    overrides: list[str]


@dataclass(frozen=True)
class Manifest:
    """``sweep.json``: what a resume reads.

    Attributes:
        jobs: the jobs of the sweep, by number.
        launcher: the settings of the launcher, as given.
    """

    jobs: Sequence[ListedJob]
    launcher: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read the file.

        Raises:
            InputError: it is damaged, or a newer version of the program wrote it.
        """
        try:
            values = read_json(path)
            check_format(values, path)
            jobs = [
                ListedJob(int(one["number"]), str(one["folder"]), list(one["overrides"]))
                for one in values["jobs"]
            ]
            return cls(jobs, dict(values["launcher"]))
        except InputError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = f"not the list of a sweep's jobs ({type(error).__name__}: {error})"
            raise InputError(reason, where=str(path)) from error

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        jobs = [vars(one) for one in self.jobs]
        write_json(path, {"format": FORMAT, "launcher": self.launcher, "jobs": jobs})


def read_rows(path: Path) -> dict[int, Row]:
    """The rows of ``sweep.csv`` by the numbers of their jobs; none if there is no such table."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restval="")
        if tuple(reader.fieldnames or ())[: len(COLUMNS)] != COLUMNS:
            return {}
        return {int(row["job"]): row for row in reader if row["job"].isdecimal()}


def ended_rows(path: Path) -> set[int]:
    """The numbers of the jobs that have ended, as ``sweep.csv`` has it."""
    open_ends = {Outcome.RUNNING, Outcome.NOT_RUN, Outcome.INTERRUPTED}
    return {number for number, row in read_rows(path).items() if row["status"] not in open_ends}


def write_rows(path: Path, rows: Mapping[int, Row]) -> None:
    """Write ``sweep.csv`` atomically, a row a job by its number."""
    ordered = [rows[number] for number in sorted(rows)]
    columns = dict.fromkeys((*COLUMNS, *(column for row in ordered for column in row)))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(ordered)
    write_text(path, text.getvalue(), durable=False)

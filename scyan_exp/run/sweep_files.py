"""The files of a sweep: ``sweep.json`` lists its jobs, and ``sweep.csv`` tells how they ended."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scyan_exp.documents import parse_json
from scyan_exp.errors import InputError
from scyan_exp.files import finite, write_text
from scyan_exp.run.folder import FORMAT, check_format
from scyan_exp.run.journal import add_line, read_with_journal, take_in
from scyan_exp.run.outcome import Outcome

#: The first columns of ``sweep.csv``; a column for each metric follows.
COLUMNS = ("job", "overrides", "status", "objective", "seconds", "device", "error", "folder")

#: A row of ``sweep.csv``: its fields by column.
Row = Mapping[str, str]


@dataclass(frozen=True)
class ListedJob:
    """A job in the list of a sweep.

    Attributes:
        number: its number in the sweep.
        folder: its run folder, relative to the sweep's folder if it lies within that.
        overrides: what tells it from other jobs, as typed.
        base: number of the base from which its config differs; None if its config is in its folder.
        values: the places where it differs, and the values there.
    """

    number: int
    folder: str
    overrides: list[str]
    base: int | None = None
    values: Sequence[tuple[Sequence[str | int], Any]] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ListedJob:
        """The job that JSON describes."""
        number, folder = int(values["number"]), str(values["folder"])
        places = [(tuple(place), value) for place, value in values.get("values", ())]
        return cls(number, folder, list(values["overrides"]), values.get("base"), places)

    def to_dict(self) -> dict[str, Any]:
        """The job for JSON."""
        values: dict[str, Any] = {
            "number": self.number,
            "folder": self.folder,
            "overrides": self.overrides,
        }
        return values if self.base is None else values | {"base": self.base, "values": self.values}


@dataclass(frozen=True)
class Manifest:
    """``sweep.json``: what a resume reads.

    Attributes:
        jobs: the jobs of the sweep, by number.
        launcher: the settings of the launcher, as given.
        bases: configs from which those of many jobs differ in some values: ``config`` and
            ``hydra``, as JSON, or as YAML text if JSON cannot express a value.
    """

    jobs: Sequence[ListedJob]
    launcher: Mapping[str, Any]
    bases: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read the file.

        Raises:
            InputError: it is damaged, or a newer version of the program wrote it.
        """
        try:
            text, added = read_with_journal(path)
            if text is None:
                raise FileNotFoundError(f"no such file: {path}")
            values = parse_json(text)
            check_format(values, path)
            jobs = {job.number: job for job in map(ListedJob.of, [*values["jobs"], *added])}
            by_number = [jobs[number] for number in sorted(jobs)]
            return cls(by_number, dict(values["launcher"]), list(values.get("bases", ())))
        except InputError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = f"not the list of a sweep's jobs ({type(error).__name__}: {error})"
            raise InputError(reason, where=str(path)) from error

    def write(self, path: Path) -> None:
        """Write the file atomically, a line a job."""
        head = {"format": FORMAT, "launcher": finite(self.launcher), "bases": self.bases}
        start = json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}")
        jobs = ",\n".join(json.dumps(one.to_dict(), allow_nan=False) for one in self.jobs)
        write_text(path, f'{start},\n "jobs": [\n{jobs}\n ]\n}}\n')
        take_in(path)

    @staticmethod
    def add(path: Path, job: ListedJob) -> None:
        """Add a job to the file, or replace the one with the same number.

        This costs the same however many jobs there are.
        """
        add_line(path, job.to_dict())


def read_rows(path: Path) -> dict[int, Row]:
    """The rows of ``sweep.csv`` by the number of their job; empty if there is no table.

    Rows that were added since it was last written are included.

    Raises:
        InputError: it is not a text file, or not a CSV.
    """
    try:
        text, added = read_with_journal(path)
        rows = _parsed_csv(text or "")
    except (ValueError, csv.Error) as error:
        raise InputError(f"not the table of a sweep ({error})", where=str(path)) from error
    new = {int(row["job"]): row for row in added if str(row.get("job", "")).isdecimal()}
    return {**rows, **new}


def add_row(path: Path, row: Row) -> None:
    """Add a row to ``sweep.csv``, or replace the row of the same job.

    This costs the same however many rows there are. Other programs see the row when the table is
    written again.
    """
    add_line(path, row)


def _parsed_csv(text: str) -> dict[int, Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    if tuple(reader.fieldnames or ())[: len(COLUMNS)] != COLUMNS:
        return {}
    return {int(row["job"]): row for row in reader if row["job"].isdecimal()}


def ended_rows(path: Path) -> set[int]:
    """The numbers of the jobs that have ended by ``sweep.csv``."""
    open_ends = {Outcome.RUNNING, Outcome.NOT_RUN, Outcome.INTERRUPTED}
    return {number for number, row in read_rows(path).items() if row["status"] not in open_ends}


def write_rows(path: Path, rows: Mapping[int, Row]) -> None:
    """Write ``sweep.csv`` atomically, a row per job, by its number."""
    ordered = [rows[number] for number in sorted(rows)]
    columns = dict.fromkeys((*COLUMNS, *(column for row in ordered for column in row)))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(ordered)
    write_text(path, text.getvalue(), durable=False)
    take_in(path)

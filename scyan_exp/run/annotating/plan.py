"""Which files are annotated, and the names of their results."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.data.file_kinds import CSV, FCS, H5AD, PARQUET
from scyan_exp.errors import InputError, listed, near_matches
from scyan_exp.run.annotating.ledger import Ledger

log = logging.getLogger(__name__)

#: Formats by the suffixes of their files.
FORMATS = {
    **dict.fromkeys(H5AD, "h5ad"),
    **dict.fromkeys(CSV, "csv"),
    **dict.fromkeys(PARQUET, "parquet"),
    **dict.fromkeys(FCS, "fcs"),
}
#: Formats of results, and their suffixes.
RESULTS = {"h5ad": ".h5ad", "csv": ".csv", "parquet": ".parquet", "fcs": ".fcs"}
#: The word in the name of each result that tells it from inputs.
MARK = ".annotated"


@dataclass(frozen=True)
class Job:
    """One file to annotate.

    Attributes:
        source: the file.
        kind: its format, one of ``FORMATS``.
        output: the path of the result.
        result: the format of the result.
    """

    source: Path
    kind: str
    output: Path
    result: str


def plan(paths: Sequence[str | Path], out: Path, result: str = "h5ad") -> list[Job]:
    """The files that are annotated, and where each result goes.

    Args:
        paths: files of cells, or folders, which stand for the files of cells in them, without
            earlier results.
        out: the folder of the results.
        result: the format of the results.

    Raises:
        InputError: all that is wrong with the names: missing files, unknown formats, two files with
            the same result.
    """
    if result not in RESULTS:
        hint = near_matches(result, RESULTS)
        raise InputError(f"format: expected one of {listed(RESULTS)}, found {result!r}.{hint}")
    problems: list[str] = []
    sources = [found for path in paths for found in _files(Path(path).expanduser(), out, problems)]
    jobs = [
        Job(
            source,
            FORMATS[source.suffix.lower()],
            out / f"{source.stem}{MARK}{RESULTS[result]}",
            result,
        )
        for source in dict.fromkeys(sources)
    ]
    problems += [
        f"{job.source}: only FCS files become FCS files; choose another format=..."
        for job in jobs
        if result == "fcs" and job.kind != "fcs"
    ]
    problems += _clashes(jobs)
    if not jobs and not problems:
        problems.append("expected files of cells to annotate, found none")
    if problems:
        raise InputError(problems)
    return jobs


def _files(path: Path, out: Path, problems: list[str]) -> list[Path]:
    """A file of cells, or the files of a folder; problems are added to the list."""
    if path.is_dir():
        inside = sorted(
            one
            for one in path.iterdir()
            if one.suffix.lower() in FORMATS and one.is_file() and not one.name.startswith(".")
        )
        results = _results(inside, path, out)
        if results:
            log.info("%s: left out, as results of an annotation: %s", path, listed(results))
        if not inside:
            problems.append(f"{path}: no files of cells in this folder ({listed(FORMATS)})")
        elif len(results) == len(inside):
            problems.append(
                f"{path}: only results of an annotation are in this folder ({listed(results)}); "
                "name the files to annotate them again"
            )
        return [one for one in inside if one.name not in results]
    if not path.exists():
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        problems.append(f"{path}: no such file.{near_matches(path.name, beside)}")
        return []
    if path.suffix.lower() not in FORMATS:
        problems.append(f"{path}: expected a file whose name ends with one of {listed(FORMATS)}")
        return []
    return [path]


def _results(files: Sequence[Path], folder: Path, out: Path) -> list[str]:
    """The files of a folder that an annotation has written."""
    written, is_out = Ledger(folder).outputs, folder.resolve() == out.resolve()
    return [
        one.name for one in files if one.name in written or (is_out and one.stem.endswith(MARK))
    ]


def _clashes(jobs: Sequence[Job]) -> list[str]:
    """Results that would overwrite each other or an input."""
    of: dict[Path, list[Path]] = defaultdict(list)
    for job in jobs:
        of[job.output].append(job.source)
    inputs = {job.source.resolve() for job in jobs}
    problems = [
        f"{listed(sources)}: all would become {output.name}; rename them, or annotate them one by "
        "one with another out=FOLDER each"
        for output, sources in of.items()
        if len(sources) > 1
    ]
    problems += [
        f"{output}: is an input, and no input is overwritten; choose another folder with out=FOLDER"
        for output in of
        if output.resolve() in inputs
    ]
    return problems

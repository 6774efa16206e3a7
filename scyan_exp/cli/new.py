"""``scyan-exp new``: a folder to start from: a table, an experiment, four commands."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError, listed
from scyan_exp.terminal import one_line

USAGE = "usage: scyan-exp new FOLDER [cells=FILE]"
#: Other names of markers that the table of the template has.
SYNONYMS = {"CD8": "CD8a"}
TABLE, EXPERIMENT, README = "table.csv", "conf/experiment/mine.yaml", "README.md"


@dataclass(frozen=True)
class OwnCells:
    """Cells to start with.

    Attributes:
        path: as it is typed in the new folder: a file, a folder, or a pattern.
        dataset: the option of ``dataset`` that reads them.
        markers: the names of each column that may be a marker, the best first.
        columns: what is known of each cell.
    """

    path: str
    dataset: str
    markers: Sequence[Sequence[str]]
    columns: Sequence[str]


def new(arguments: list[str]) -> int:
    """Make a folder to start from: ``new FOLDER [cells=FILE]``."""
    set_environment()
    return exit_code(lambda: _new(parse(arguments, USAGE, (1, 1), ["cells"])))


def _new(given: Given) -> None:
    folder = given.paths[0]
    try:
        _require_empty(folder)
        cells = _own_cells(given.options["cells"], folder) if "cells" in given.options else None
        _write(folder, _texts(folder, cells))
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror or error})", str(folder)) from error
    _say(folder, cells)


def _require_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if os.path.lexists(folder):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise InputError(f"{what}: name a new folder", where=str(folder))


# ---------------------------------------------------------------- what the cells are


def _own_cells(typed: str, folder: Path) -> OwnCells:
    """Look at the first file.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    from scyan_exp.data.file_kinds import FORMATS
    from scyan_exp.data.file_lists import find_files
    from scyan_exp.data.reading import dataset_of

    dataset = dataset_of(typed)
    first = find_files(typed, FORMATS[dataset])[0]
    markers, columns = _looked_at(first, dataset)
    return OwnCells(_seen_from(folder, typed), dataset, markers, columns)


def _seen_from(folder: Path, typed: str) -> str:
    """A path from another folder; what is absolute stays."""
    path = os.path.expanduser(typed)  # noqa: PTH111 (may be a pattern)
    return path if os.path.isabs(path) else os.path.relpath(path, folder)  # noqa: PTH117


def _looked_at(path: Path, dataset: str) -> tuple[list[list[str]], list[str]]:
    """The names of each column that may be a marker, and what is known of each cell."""
    from scyan_exp.data.fcs import may_be_marker
    from scyan_exp.data.file_kinds import fcs_files, h5ad_files
    from scyan_exp.data.markers import names_of
    from scyan_exp.data.reading import read_cells

    if dataset == "fcs":
        names, known = fcs_files("auto").peek(path).columns, list[str]()
        labelled = [one for one in names if len(one) > 1]
        names = labelled or names  # where some have labels, the others measure nothing
    elif dataset == "h5ad":
        kind = h5ad_files()
        names, known = kind.peek(path).columns, kind.names(path)
    else:
        adata = read_cells(path)
        names, known = names_of(adata), list(map(str, adata.obs.columns))
    return [one for one in names if all(map(may_be_marker, one))], known


# ---------------------------------------------------------------- what is written


def _texts(folder: Path, cells: OwnCells | None) -> dict[str, str]:
    """Each file of the folder: its name and what it holds."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    templates = Environment(
        loader=FunctionLoader(_template),
        undefined=StrictUndefined,
        autoescape=False,  # YAML and Markdown; what comes from files is quoted below
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    values = _values(folder, cells)
    return {
        TABLE: _template(TABLE) if cells is None else table_for(cells.markers),
        EXPERIMENT: templates.get_template("mine.yaml.j2").render(values),
        README: templates.get_template("README.md.j2").render(values),
    }


def _template(name: str) -> str:
    return (files("scyan_exp.cli") / "templates" / name).read_text(encoding="utf-8")


def _values(folder: Path, cells: OwnCells | None) -> dict[str, str]:
    name = one_line(folder.absolute().name)
    if cells is None:
        return {"name": name, "path": "", "columns": "", "check": f"scyan-exp check {TABLE}"}
    words = ["scyan-exp", "check", TABLE, cells.path, "dataset.transform=auto"]
    return {
        "name": name,
        "cells": f"`{one_line(cells.path)}`",
        "path": json.dumps(cells.path.replace("${", "\\${")),  # OmegaConf's own sign
        "dataset": cells.dataset,
        "columns": one_line(listed(cells.columns)),
        "check": shlex.join(words),
    }


def table_for(markers: Sequence[Sequence[str]]) -> str:
    """A knowledge table whose columns are the markers of a file, those that are filled in first.

    Filled in is what textbooks say of the main populations of blood; those of which no positive
    marker is there are left out.

    Args:
        markers: the names of each marker, the best first.
    """
    (_, level, *known), *rows = csv.reader(io.StringIO(_template(TABLE)))
    found = _found(known, markers)
    others = [names[0] for i, names in enumerate(markers) if i not in found.values()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Populations", level, *(markers[i][0] for i in found.values()), *others])
    kept = 0
    for population, of_level, *entries in rows:
        told = [entry for marker, entry in zip(known, entries, strict=True) if marker in found]
        if "1" in told:
            writer.writerow([population, of_level, *told, *[""] * len(others)])
            kept += 1
    if not kept:
        writer.writerow(["Population 1", "", *[""] * len(markers)])
    return text.getvalue()


def _found(known: Sequence[str], markers: Sequence[Sequence[str]]) -> dict[str, int]:
    """The column of each marker that has one, also of those with another usual name."""
    from scyan_exp.data.markers import match_markers

    found, _ = match_markers(known, markers)
    also, _ = match_markers([SYNONYMS[one] for one in SYNONYMS if one not in found], markers)
    synonyms = {marker: also[other] for marker, other in SYNONYMS.items() if other in also}
    both = {**found, **synonyms}
    return {marker: both[marker] for marker in known if marker in both}


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all files, or none: they are written elsewhere and then moved."""
    exists = folder.is_dir()
    home = folder if exists else folder.absolute().parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".new-") as temporary:
        made = Path(temporary) / "made"  # with the permissions that the user's umask leaves
        for name, text in texts.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text, encoding="utf-8")
        if exists:  # somebody may be in it, so it must stay the same folder
            for one in made.iterdir():
                one.rename(folder / one.name)
        else:
            made.rename(folder)


def _say(folder: Path, cells: OwnCells | None) -> None:
    whose = "the built-in cells" if cells is None else f"{len(cells.markers)} markers of your cells"
    print(f"{folder}: a folder to start from")
    print(f"  {TABLE:<26}  the knowledge table, for {whose}")
    print(f"  {EXPERIMENT:<26}  the experiment: cells, table, recipe, a sweep and a search")
    print(f"  {README:<26}  four commands: check, train, sweep, report")
    print("Next:")
    if cells is not None:
        print(f"  look through {folder / TABLE}: blanks are yours to fill")
    if folder.absolute() != Path.cwd():
        print(f"  cd {shlex.quote(str(folder))}")
    print("  scyan-exp train --config-dir=conf experiment=mine", flush=True)


COMMAND = Command(
    "new",
    "make a folder to start from: a table, an experiment in YAML, four commands",
    new,
    (
        ("new mine", "it runs as it is, on built-in cells"),
        ("new mine cells=samples/", "with a table for the markers of your cells"),
    ),
    usage=USAGE,
    options={
        "FOLDER": "the new folder; it may exist if it is empty",
        "cells=FILE": "your cells: a file (FCS, h5ad, CSV or Parquet), a folder or a pattern",
    },
)

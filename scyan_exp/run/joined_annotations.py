"""Joining the annotated cells of several files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scyan_exp.data.joined import SAMPLE
from scyan_exp.errors import InputError, listed, near_matches
from scyan_exp.results.biomarkers import Assigned, CellsOfFiles
from scyan_exp.run.annotated_cells import AnnotatedCells

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Joined:
    """The N cells of some files.

    Attributes:
        cells: their expressions and columns.
        assigned: their populations.
        names: names of all columns that describe cells.
    """

    cells: CellsOfFiles
    assigned: Assigned
    names: list[str]


def join(files: Sequence[AnnotatedCells], obs: Sequence[pd.DataFrame]) -> Joined:
    """Join cells, with the markers that all files have and all their populations, by name.

    Args:
        files: the cells of each file.
        obs: the columns of each file that are needed.

    Raises:
        InputError: they were annotated by different tables, or have no marker in common.
    """
    problems = _table_problems(files)
    markers = _shared_markers(files)
    if not markers:
        problems.append("the files have no marker in common, by name")
    if problems:
        raise InputError(problems)
    _say_left_out(files, markers)
    populations = list(dict.fromkeys(name for one in files for name in one.populations))
    codes_N = np.concatenate([_codes(one, populations) for one in files])
    levels = {
        level: [_name_at(files, level, name) for name in populations]
        for level in dict.fromkeys(level for one in files for level in one.levels)
    }
    frame = obs[0] if len(obs) == 1 else pd.concat(obs, ignore_index=True)
    cells = CellsOfFiles([one.cells for one in files], frame, pd.Index(markers))
    names = [name for name in files[0].names if all(name in other.names for other in files[1:])]
    return Joined(cells, Assigned(codes_N, populations, levels), names)


def with_samples(
    file: AnnotatedCells, sample_key: str | None, name: str, known: dict[str, object]
) -> pd.DataFrame:
    """The columns of a file's cells with their sample.

    Args:
        file: the cells.
        sample_key: the column of the sample; None for ``sample`` or, without such a column, the
            file's name.
        name: the name of the file.
        known: what else is known about all its cells, by column; it overrides the file.

    Raises:
        InputError: there is no such column.
    """
    obs = file.obs.assign(**{key: [value] * len(file.obs) for key, value in known.items()})
    if sample_key is None:
        return obs if SAMPLE in obs else obs.assign(**{SAMPLE: name})
    if sample_key not in obs:
        hint = near_matches(sample_key, file.names)
        raise InputError(
            f"the cells have no column {sample_key!r}.{hint} Leave sample_key out, and a file "
            f"without a column {SAMPLE!r} is one sample",
            where=str(file.path),
        )
    return obs


def _table_problems(files: Sequence[AnnotatedCells]) -> list[str]:
    """Files that were annotated with another table than the first file that names its table."""
    first = next((one for one in files if one.table is not None), None)
    if first is None or first.table is None:
        return []
    problems = []
    for one in files:
        here = set(one.populations) if one.table is None else one.table
        more, less = sorted(here - first.table), sorted(first.table - here)
        words = [f"has {listed(more, limit=5)}"] if more else []
        words += [f"lacks {listed(less, limit=5)}"] if less and one.table is not None else []
        if words:
            problems.append(
                f"{one.path}: annotated by another table than {first.path.name}: its table "
                f"{' and '.join(words)}. Annotate all files by one model"
            )
    return problems


def _shared_markers(files: Sequence[AnnotatedCells]) -> list[str]:
    names = [[str(name) for name in one.cells.var_names] for one in files]
    return [name for name in names[0] if all(name in other for other in names[1:])]


def _say_left_out(files: Sequence[AnnotatedCells], markers: Sequence[str]) -> None:
    """Log the markers that some file lacks."""
    for one in files:
        lacking = {
            str(name)
            for other in files
            for name in other.cells.var_names
            if name not in one.cells.var_names
        }
        if lacking:
            log.warning("%s lacks %s: measured of none", one.path.name, listed(sorted(lacking)))


def _codes(file: AnnotatedCells, populations: list[str]) -> np.ndarray:
    places = np.array([*(populations.index(name) for name in file.populations), -1])
    codes_N: np.ndarray = places[file.codes]
    return codes_N


def _name_at(files: Sequence[AnnotatedCells], level: str, population: str) -> str:
    """A population's name at a level, from the first file that has one; blank if none has."""
    names = (one.levels.get(level, {}).get(population, "") for one in files)
    return next((name for name in names if name), "")

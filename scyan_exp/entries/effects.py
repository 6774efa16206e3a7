"""What an edit of the table did, beside the run with the unchanged table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata.io import read_elem

from scyan_exp.config.check import read_config
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.edits import Edit
from scyan_exp.errors import InputError
from scyan_exp.metrics.agreement import table_agreement
from scyan_exp.metrics.sides import Sides
from scyan_exp.results.columns import key_of
from scyan_exp.run.cells import load_cells
from scyan_exp.run.config_file import read_config_file
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_sweep import read_sweep

#: Cells below which nothing is said of a population's expressions.
FEWEST = 20


@dataclass(frozen=True)
class Effect:
    """What one edit did. NaN where it cannot be said.

    Attributes:
        edit: the edit.
        changed: share of the cells that have another population than with the unchanged table.
        gains: the population that gains most cells; empty if none does.
        loses: the population that loses most cells; empty if none does.
        agreement: change of ``table_agreement``, the entry left out of the measure in both runs.
        loss: change of the loss.
        accuracy: change of the accuracy.
        opposite: of a known entry made blank, see :func:`opposite_side`.
    """

    edit: Edit
    changed: float
    gains: str
    loses: str
    agreement: float
    loss: float
    accuracy: float
    opposite: float


@dataclass(frozen=True)
class Annotated:
    """What all runs of the sweep are compared with.

    Attributes:
        table: the unchanged table.
        x: (N, M) model inputs.
        population: (N,) populations by the unchanged table; -1 for cells without one.
    """

    table: KnowledgeTable
    x: np.ndarray
    population: np.ndarray

    @cached_property
    def sides(self) -> Sides:
        """On which side of the markers with two modes each cell is."""
        return Sides.of(self.table.rho, self.x)


def read_effects(sweep_dir: Path, edits: Mapping[int, Edit]) -> tuple[Annotated, list[Effect]]:
    """The effects of all edits whose jobs are completed.

    Args:
        sweep_dir: the folder of the sweep.
        edits: by the numbers of their jobs.

    Returns:
        What they are compared with, and the effects in the order of the edits.

    Raises:
        InputError: the run with the unchanged table is not completed, or files are gone.
    """
    jobs = read_sweep(sweep_dir)
    done = jobs[jobs["outcome"] == Outcome.COMPLETED]
    if 0 not in done.index:
        raise InputError(
            "job 0, the unchanged table, is not completed: there is nothing to compare with",
            where=str(sweep_dir),
        )
    first = _run(sweep_dir, done.loc[0, "folder"])
    cells = load_cells(read_config(read_config_file(first.config)))
    known = Annotated(cells.table, cells.x.numpy(), _population(first, cells.table))
    metrics = done.reindex(columns=["loss", "accuracy"]).astype(float)
    effects = []
    for number, edit in edits.items():
        if number not in done.index:
            continue
        after = _population(_run(sweep_dir, done.loc[number, "folder"]), known.table)
        change = metrics.loc[number] - metrics.loc[0]
        effects.append(effect_of(edit, known, after, change["loss"], change["accuracy"]))
    cells.close()
    return known, effects


def effect_of(
    edit: Edit,
    cells: Annotated,
    after_N: np.ndarray,
    loss: float = np.nan,
    accuracy: float = np.nan,
) -> Effect:
    """What an edit did to the annotation.

    Args:
        edit: the edit.
        cells: annotated by the unchanged table.
        after_N: (N,) populations by the edited table.
        loss: change of the loss.
        accuracy: change of the accuracy.
    """
    names, before_N = cells.table.populations, cells.population
    gain_P = _counts(after_N, len(names)) - _counts(before_N, len(names))
    return Effect(
        edit,
        float(np.mean(before_N != after_N)),
        names[int(gain_P.argmax())] if gain_P.max() > 0 else "",
        names[int(gain_P.argmin())] if gain_P.min() < 0 else "",
        _agreement_change(edit, cells, after_N),
        loss,
        accuracy,
        opposite_side(edit, cells, after_N) if edit.is_blanked else np.nan,
    )


def opposite_side(edit: Edit, cells: Annotated, after_N: np.ndarray) -> float:
    """How far cells are on the other side of a marker than its entry says, 0 to 1.

    The cells are those that the rest of the row finds once the entry is blank, so the entry has
    no part in choosing them; and of these the ones that no other row explains as well, as a row
    may be nothing without the entry but another row. NaN with too few cells, where neither
    measure below can tell, and for entries of 0; the smaller one where both can: other wrong
    entries of the marker mislead the first, a marker without a gap the second.
    """
    p = cells.table.populations.index(edit.population)
    m = cells.table.markers.index(edit.marker)
    rest = cells.table.edited({edit.population: {edit.marker: None}}).rho
    x_n = cells.x[_found_by(rest, p, cells, after_N), m]
    if len(x_n) < FEWEST or not edit.before:
        return np.nan
    same, opposite = (
        cells.x[np.isin(after_N, np.flatnonzero(sign * rest[:, m] > 0)), m]
        for sign in (edit.before, -edit.before)
    )
    told = [_way_over(x_n, same, opposite), _beyond_gap(x_n, m, cells.sides, edit.before)]
    return min((value for value in told if np.isfinite(value)), default=np.nan)


def _way_over(x_n: np.ndarray, same: np.ndarray, opposite: np.ndarray) -> float:
    """Mean way from the cells of rows that say the same to those of rows that say the opposite."""
    if min(len(same), len(opposite)) < FEWEST:
        return np.nan
    way = float(opposite.mean() - same.mean())
    return float(np.clip((x_n - same.mean()) / way, 0, 1).mean()) if way else np.nan


def _found_by(rho_PM: np.ndarray, p: int, cells: Annotated, population_N: np.ndarray) -> np.ndarray:
    """Indices of the cells given a population that contradict more entries of every other row."""
    given = np.flatnonzero(population_N == p)
    sides = cells.sides
    rho_PK = np.nan_to_num(rho_PM[:, sides.usable])
    held = replace(sides, positive=sides.positive[given], rho=rho_PK)
    others = held.is_testable & (np.arange(len(rho_PK)) != p)  # any cell matches the rest
    return given[held.n_wrong[:, p] < held.n_wrong[:, others].min(axis=1, initial=np.inf)]


def _beyond_gap(x_n: np.ndarray, m: int, sides: Sides, before: float) -> float:
    """Share of the cells beyond the gap between the marker's modes."""
    if m not in sides.usable:
        return np.nan
    is_above = x_n > sides.thresholds[sides.usable.index(m)]
    return float(np.mean(is_above != (before > 0)))


def _agreement_change(edit: Edit, cells: Annotated, after_N: np.ndarray) -> float:
    """Of the cells that both runs annotate, by the table without the entry."""
    reference = cells.table.edited({edit.population: {edit.marker: None}}).rho
    both = (cells.population >= 0) & (after_N >= 0)
    of_after, of_before = (
        table_agreement(cells.x[both], codes[both], reference)
        for codes in (after_N, cells.population)
    )
    return of_after - of_before


def _counts(population_N: np.ndarray, n_pops: int) -> np.ndarray:
    return np.bincount(population_N[population_N >= 0], minlength=n_pops)


def _run(sweep_dir: Path, folder: Any) -> RunFolder:
    """The folder of a job, which may be relative to that of the sweep."""
    return RunFolder(sweep_dir.absolute() / str(folder))


def _population(run: RunFolder, table: KnowledgeTable) -> np.ndarray:
    """(N,) the populations of a run's cells; -1 for cells without one.

    Raises:
        InputError: the annotation is gone, or cannot be read.
    """
    try:
        with h5py.File(run.annotated) as file:
            column = read_elem(file["obs"][key_of(file)])
    except (OSError, KeyError) as error:
        reason = "the annotation is gone, or damaged; delete result.json there and resume"
        raise InputError(reason, where=str(run.annotated)) from error
    names = np.asarray(column.astype(object))
    number = {name: p for p, name in enumerate(table.populations)}
    return np.array([number.get(name, -1) for name in names])

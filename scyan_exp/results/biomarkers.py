"""Counts, shares and intensities of the populations in each sample.

Shapes: N cells, S samples, P populations, L names at a level, M markers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.data.sources import read_expressions
from scyan_exp.results.group_tests import OWN_LEVEL, UNANNOTATED, Groups, compare_groups
from scyan_exp.results.samples import Samples

if TYPE_CHECKING:
    from anndata import AnnData

#: Expressions that are in memory at a time, in bytes.
BLOCK_BYTES = 256 * 2**20


@dataclass(frozen=True, repr=False)
class Assigned:
    """Populations of N cells.

    Attributes:
        codes: (N,) index of each cell's population, -1 for unannotated cells.
        populations: P names.
        levels: for each level of the table, the P names that the populations have there; blank
            for none.
    """

    codes: np.ndarray
    populations: Sequence[str]
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def parents(self, level: str) -> list[str]:
        """P names at a level; a population whose name there is blank is its own parent."""
        names = zip(self.levels[level], self.populations, strict=True)
        return [parent or own for parent, own in names]


@dataclass(frozen=True, repr=False)
class CellsOfFiles:
    """The N cells of one or several files.

    Attributes:
        files: the expressions of each, AnnData or what has its ``X``, ``n_obs``, ``n_vars`` and
            ``var_names``; these may have further markers, in another order.
        obs: N rows of some columns.
        var_names: M markers that all files have.
    """

    files: Sequence[Any]
    obs: pd.DataFrame
    var_names: pd.Index

    @property
    def n_obs(self) -> int:
        """N cells."""
        return len(self.obs)

    def expressions(self, markers: Sequence[str]) -> np.ndarray:
        """(N, B) expressions of some markers."""
        return np.concatenate([read_expressions(one, markers) for one in self.files])


@dataclass(frozen=True, repr=False)
class Biomarkers:
    """What was measured in each sample.

    Attributes:
        populations: a row a sample and population, :func:`count` says what is in it.
        intensities: a row a sample, population and marker, see :func:`intensities`.
        groups: what was compared between groups of samples; None without groups.
        level: the level within which shares were taken; None for none.
    """

    populations: pd.DataFrame
    intensities: pd.DataFrame
    groups: Groups | None = None
    level: str | None = None

    @property
    def own_populations(self) -> pd.DataFrame:
        """The rows of ``populations`` for the table's own populations and unannotated cells."""
        return self.populations[self.populations["level"] == OWN_LEVEL]


def measure_biomarkers(
    adata: AnnData | CellsOfFiles,
    assigned: Assigned,
    samples: Samples,
    level: str | None = None,
    channels: Sequence[str] = (),
) -> Biomarkers:
    """Measure the populations of each sample, and compare groups of samples if there are any.

    Args:
        adata: N cells; of X on disk only a part is in memory at a time.
        assigned: their populations.
        samples: their samples.
        level: a level of the table within which shares are taken too.
        channels: columns of ``obs`` that are measured as markers are.
    """
    populations = count(assigned, samples, level)
    measured = intensities(adata, assigned, samples, channels)
    groups = compare_groups(populations, measured, samples) if samples.groups else None
    return Biomarkers(populations, measured, groups, level)


def count(assigned: Assigned, samples: Samples, level: str | None = None) -> pd.DataFrame:
    """Cells of each population in each sample.

    Args:
        assigned: populations of N cells.
        samples: their samples.
        level: a level of the table within which shares are taken too.

    Returns:
        Columns ``sample``, ``group`` (if there are groups), ``level`` (``population``, or the level
        of a coarser name), ``population``, ``count``, ``sample_count`` (all cells of the sample)
        and ``share`` of these, unannotated cells included in both; with a level also ``parent``
        and ``share_of_parent``, which is of the annotated cells of the parent, and missing where
        it has none. Rows at a level, of the unannotated cells too, sum to the cells of the sample.
    """
    n_S = np.bincount(samples.codes, minlength=len(samples.names))
    count_SP = _counts(assigned, samples)
    parents = None if level is None else assigned.parents(level)
    names = [*assigned.populations, UNANNOTATED]
    frames = [_rows(samples, OWN_LEVEL, names, count_SP, n_S, parents)]
    for each in assigned.levels:
        parent_of = assigned.parents(each)
        coarse = list(dict.fromkeys(parent_of))
        is_of_PL = np.array([[parent == one for one in coarse] for parent in parent_of])
        count_SL = np.column_stack([count_SP[:, :-1] @ is_of_PL, count_SP[:, -1]])
        frames.append(_rows(samples, each, [*coarse, UNANNOTATED], count_SL, n_S))
    return pd.concat(frames, ignore_index=True)


def intensities(
    adata: AnnData | CellsOfFiles,
    assigned: Assigned,
    samples: Samples,
    channels: Sequence[str] = (),
) -> pd.DataFrame:
    """Mean and median intensity of every marker, in the units of X, by sample and population.

    Args:
        adata: N cells.
        assigned: their populations.
        samples: their samples.
        channels: columns of ``obs`` that are measured too.

    Returns:
        Columns ``sample``, ``group`` (if there are groups), ``population``, ``marker``, ``count``
        of the cells, ``mean`` and ``median``, which are missing where there are no cells. Of
        unannotated cells nothing is measured.
    """
    n_pops, markers = len(assigned.populations), [str(name) for name in adata.var_names]
    counts_SP = _counts(assigned, samples)[:, :-1]
    places_N = np.where(assigned.codes < 0, -1, samples.codes * n_pops + assigned.codes)
    channels = [name for name in channels if name not in markers]
    blocks = chain(_blocks(adata, markers), (adata.obs[[name]].to_numpy() for name in channels))
    parts = [_means_and_medians(block, places_N, counts_SP.size) for block in blocks]
    mean_KM, median_KM = (np.concatenate(one, axis=1) for one in zip(*parts, strict=True))
    markers += channels
    index = pd.MultiIndex.from_product(
        [samples.names, assigned.populations, markers], names=["sample", "population", "marker"]
    )
    columns = {
        "count": np.repeat(counts_SP.ravel(), len(markers)),
        "mean": mean_KM.ravel(),
        "median": median_KM.ravel(),
    }
    frame = pd.DataFrame(columns, index=index).reset_index()
    return _with_groups(frame, samples)


def _counts(assigned: Assigned, samples: Samples) -> np.ndarray:
    """(S, P + 1) cells; the last column is of unannotated ones."""
    n_columns = len(assigned.populations) + 1
    columns_N = np.where(assigned.codes < 0, n_columns - 1, assigned.codes)
    found = np.bincount(
        samples.codes * n_columns + columns_N, minlength=len(samples.names) * n_columns
    )
    return found.reshape(len(samples.names), n_columns)


def _rows(
    samples: Samples,
    level: str,
    names: Sequence[str],
    count_SK: np.ndarray,
    n_S: np.ndarray,
    parents: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The rows of K names, the last of which is of unannotated cells."""
    n_names = len(names)
    columns = {
        "sample": np.repeat(samples.names, n_names),
        "level": level,
        "population": np.tile(np.array(names, object), len(samples.names)),
        "count": count_SK.ravel(),
        "sample_count": np.repeat(n_S, n_names),
        "share": (count_SK / n_S[:, None]).ravel(),
    }
    frame = pd.DataFrame(columns)
    if parents is not None:
        frame["parent"] = np.tile(np.array([*parents, None], object), len(samples.names))
        of_parent = frame.groupby(["sample", "parent"], sort=False)["count"].transform("sum")
        frame["share_of_parent"] = frame["count"] / of_parent.where(of_parent > 0)
    return _with_groups(frame, samples)


def _with_groups(frame: pd.DataFrame, samples: Samples) -> pd.DataFrame:
    if samples.groups is not None:
        of_sample = dict(zip(samples.names, samples.groups, strict=True))
        frame.insert(1, "group", frame["sample"].map(of_sample))
    return frame


def _blocks(adata: AnnData | CellsOfFiles, markers: Sequence[str]) -> Iterator[np.ndarray]:
    """(N, B) expressions of as many markers as may be in memory at a time."""
    size = max(1, BLOCK_BYTES // (4 * max(1, adata.n_obs)))
    for start in range(0, len(markers), size):
        some = markers[start : start + size]
        is_several = isinstance(adata, CellsOfFiles)
        yield adata.expressions(some) if is_several else read_expressions(adata, some)


def _means_and_medians(
    block: np.ndarray, places_N: np.ndarray, n_places: int
) -> tuple[np.ndarray, np.ndarray]:
    """(K, B) means and medians at K places, each a sample and a population; -1 is no place."""
    grouped = pd.DataFrame(block).groupby(places_N)
    means, medians = (
        of_places.reindex(range(n_places)).to_numpy(float)
        for of_places in (grouped.mean(), grouped.median())
    )
    return means, medians

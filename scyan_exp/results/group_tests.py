"""Comparing groups of samples: does a share or an intensity differ by more than chance?

A sample is one observation, however many cells it has: cells of one sample are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.results.samples import FEWEST_SAMPLES, Samples

#: Cells that a median must be of, to be compared: of 10, it varies by 0.4 standard deviations.
FEWEST_CELLS = 10
#: Stands for a population in the rows of cells that have none.
UNANNOTATED = "(unannotated)"
#: Stands for a level in the rows of the table's own populations.
OWN_LEVEL = "population"
#: Adjusted p below which a difference is named.
SIGNIFICANT = 0.05
#: A comparison, by column.
Row = dict[str, Any]
#: What is compared; each is a family of tests of its own, a level of the table another.
SHARE, OF_PARENT, MEDIAN = "share", "share_of_parent", "median"


@dataclass(frozen=True, repr=False)
class Groups:
    """What was compared between groups of samples.

    Attributes:
        names: the groups.
        tests: a row a comparison: ``measure``, ``level``, ``population``, ``marker``; for each
            group ``n_<group>`` samples and ``median_<group>`` of them; ``test``, ``statistic``,
            ``p``, ``p_adjusted``. What cannot be tested has no p.
    """

    names: list[str]
    tests: pd.DataFrame

    def found(self) -> pd.DataFrame:
        """The rows that differ by more than chance, the surest first."""
        return self.tests[self.tests["p_adjusted"] < SIGNIFICANT].sort_values("p_adjusted")


def compare_groups(
    populations: pd.DataFrame, intensities: pd.DataFrame, samples: Samples
) -> Groups:
    """Test shares and median intensities: Mann-Whitney of two groups, Kruskal-Wallis of more.

    The p-values of each measure are adjusted by Benjamini and Hochberg: of shares over the
    populations (at each level), of medians over populations and markers. A group that has fewer
    than three values is not tested.

    Args:
        populations: shares by sample and population.
        intensities: medians by sample, population and marker; of too few cells, they are left out.
        samples: samples that have groups.
    """
    names = samples.group_names
    rows = [
        *_of_shares(_told_once(populations), SHARE, names),
        *_of_shares(_with_siblings(populations), OF_PARENT, names),
        *_of_medians(intensities, names),
    ]
    tests = pd.DataFrame(rows)
    tests["p_adjusted"] = tests.groupby(["measure", "level"])["p"].transform(_adjusted)
    return Groups(names, tests)


def _told_once(populations: pd.DataFrame) -> pd.DataFrame:
    """Rows without those of unannotated cells at levels: they are the same at each."""
    is_again = populations["population"].eq(UNANNOTATED) & populations["level"].ne(OWN_LEVEL)
    return populations[~is_again]


def _with_siblings(populations: pd.DataFrame) -> pd.DataFrame:
    """Rows whose parent has several populations: a share of one alone is always 1."""
    if "parent" not in populations:
        return populations.iloc[:0].assign(**{OF_PARENT: np.nan})
    n_children = populations.groupby("parent")["population"].transform("nunique")
    return populations[n_children > 1]


def _of_shares(populations: pd.DataFrame, measure: str, names: list[str]) -> Iterator[Row]:
    keys = ["level", "population"]
    for (level, population), rows in populations.groupby(keys, sort=False):
        about = {"measure": measure, "level": level, "population": population, "marker": ""}
        yield {**about, **_tested(rows[measure], rows["group"], names)}


def _of_medians(intensities: pd.DataFrame, names: list[str]) -> Iterator[Row]:
    kept = intensities[MEDIAN].where(intensities["count"] >= FEWEST_CELLS)
    frame = intensities.assign(kept=kept)
    for (population, marker), rows in frame.groupby(["population", "marker"], sort=False):
        about = {"measure": MEDIAN, "level": OWN_LEVEL, "population": population}
        yield {**about, "marker": marker, **_tested(rows["kept"], rows["group"], names)}


def _tested(values: pd.Series, groups: pd.Series, names: Sequence[str]) -> Row:
    """One comparison: samples and medians of each group, the test and its p-value."""
    known = values.notna()
    parts = [values[known & (groups == name)].to_numpy() for name in names]
    row: Row = {}
    for name, part in zip(names, parts, strict=True):
        row[f"n_{name}"] = len(part)
        row[f"median_{name}"] = np.median(part) if len(part) else np.nan
    test, statistic, p = _test(parts)
    return {**row, "test": test, "statistic": statistic, "p": p}


def _test(parts: Sequence[np.ndarray]) -> tuple[str, float, float]:
    from scipy.stats import kruskal, mannwhitneyu  # type: ignore[import-untyped]

    test = "Mann-Whitney" if len(parts) == 2 else "Kruskal-Wallis"
    if min(map(len, parts)) < FEWEST_SAMPLES:
        return test, np.nan, np.nan
    if len(set(np.concatenate(parts).tolist())) == 1:  # nothing varies: SciPy divides by zero
        return test, np.nan, 1.0
    found = mannwhitneyu(*parts) if len(parts) == 2 else kruskal(*parts)
    return test, float(found.statistic), float(found.pvalue)


def _adjusted(p: pd.Series) -> pd.Series:
    """Benjamini and Hochberg, over what was tested."""
    from scipy.stats import false_discovery_control

    adjusted = p.copy()
    tested = p.notna()
    if tested.any():
        adjusted[tested] = false_discovery_control(p[tested])
    return adjusted

"""Which sample each cell is of, and which group each sample: read from ``obs``, and checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scyan_exp.config.wanted import BiomarkersConfig
from scyan_exp.errors import Problem, listed, near_matches

#: Samples that a group must have to be compared: of fewer, no test says anything.
FEWEST_SAMPLES = 3
#: Cells that a sample has at least, in the mean: a column with more values names no samples.
FEWEST_CELLS = 2


@dataclass(frozen=True, repr=False)
class Samples:
    """The S samples of N cells.

    Attributes:
        names: S names, in the order of the categories, else sorted.
        codes: (N,) index of each cell's sample.
        groups: the group of each sample, S names; None if they have none.
    """

    names: list[str]
    codes: np.ndarray
    groups: list[str] | None = None

    @property
    def group_names(self) -> list[str]:
        """The groups, sorted; none if the samples have none."""
        return _sorted(pd.Series(self.groups or [], dtype=object))


def samples_of(obs: pd.DataFrame, settings: BiomarkersConfig) -> Samples:
    """The samples of cells whose columns :func:`sample_problems` has nothing against.

    Args:
        obs: N rows.
        settings: the names of the columns; ``sample_key`` is one of them.
    """
    assert settings.sample_key is not None
    column = obs[settings.sample_key]
    names = _sorted(column)
    codes_N = pd.Index(names).get_indexer(column.astype(str))
    if settings.group_key is None:
        return Samples(names, codes_N)
    of_sample = _values_by_sample(obs, settings.sample_key, settings.group_key)
    return Samples(names, codes_N, [of_sample[name][0] for name in names])


def sample_problems(
    obs: pd.DataFrame,
    levels: Sequence[str],
    settings: BiomarkersConfig,
    names: Sequence[str] = (),
) -> list[str | Problem]:
    """Everything for which samples cannot be measured or compared.

    Args:
        obs: the columns of the cells.
        levels: the levels of the table.
        settings: the names of the columns, and of the level.
        names: all columns that there are, if ``obs`` has not all of them.
    """
    if settings.sample_key is None:
        return []
    keys = {"sample_key": settings.sample_key, "group_key": settings.group_key}
    there = names or [str(name) for name in obs]
    problems = [
        problem
        for key, name in keys.items()
        if name is not None
        for problem in _column_problems(obs, key, name, there)
    ]
    problems += [p for name in settings.channels for p in _channel_problems(obs, name, there)]
    problems += level_problems(levels, settings)
    if problems:
        return [*problems]
    problems += _few_problems(obs[settings.sample_key])
    if settings.group_key is not None:
        problems += _group_problems(obs, settings.sample_key, settings.group_key)
    return [*problems]


def level_problems(levels: Collection[str], settings: BiomarkersConfig) -> list[Problem]:
    """The level that samples are measured within, if the table has none of this name."""
    if settings.sample_key is None or settings.level in (None, *levels):
        return []
    hint = near_matches(str(settings.level), levels)
    text = f"the table has no level {settings.level!r}.{hint}"
    return [Problem("biomarkers.level", f"{text} It has: {listed(levels) or 'no levels'}")]


def _column_problems(
    obs: pd.DataFrame, key: str, name: str, there: Sequence[str]
) -> Iterator[Problem]:
    role = f"biomarkers.{key}"
    if name not in obs:
        found = listed(there) or "none"
        hint = near_matches(name, there)
        yield Problem(role, f"the cells have no column {name!r}.{hint} They have: {found}")
        return
    missing = int(obs[name].isna().sum())
    if missing:
        text = f"obs[{name!r}] is missing in {missing:,} of {len(obs):,} cells"
        yield Problem(role, f"{text}: fill it, or leave these cells out")


def _channel_problems(obs: pd.DataFrame, name: str, there: Sequence[str]) -> Iterator[Problem]:
    role = "biomarkers.channels"
    if name not in obs:
        text = f"the cells have no column {name!r}.{near_matches(name, there)}"
        found = listed(there) or "none"
        yield Problem(role, f"{text} They have: {found}. The markers of the cells need no mention")
    elif not pd.api.types.is_numeric_dtype(obs[name]):
        yield Problem(role, f"obs[{name!r}] holds no numbers")


def _few_problems(column: pd.Series) -> Iterator[Problem]:
    """One sample, or values that are no names of samples."""
    found = column.astype(str).unique()
    name = f"obs[{column.name!r}]"
    if len(found) < 2:
        text = f"{name} names only one sample, {listed(map(repr, found))}; expected two or more"
        yield Problem("biomarkers.sample_key", text)
    elif len(column) < FEWEST_CELLS * len(found):
        text = f"{name} has {len(found):,} values in {len(column):,} cells"
        text += f" ({listed(found, limit=3)}): does it name samples?"
        yield Problem("biomarkers.sample_key", text)


def _group_problems(obs: pd.DataFrame, sample_key: str, group_key: str) -> Iterator[Problem]:
    """Samples in several groups, a single group, or groups of too few samples."""
    role = "biomarkers.group_key"
    of_sample = _values_by_sample(obs, sample_key, group_key)
    mixed = [
        f"{name} ({listed(groups, limit=5)})"
        for name, groups in of_sample.items()
        if len(groups) > 1
    ]
    if mixed:
        text = f"obs[{group_key!r}] has several values within a sample: {listed(mixed)}"
        yield Problem(role, f"{text}. Expected one group a sample")
        return
    counts = pd.Series([groups[0] for groups in of_sample.values()]).value_counts(sort=False)
    shown = listed(f"{group} ({n})" for group, n in counts.items())
    if len(counts) < 2:
        yield Problem(role, f"obs[{group_key!r}] names only one group, {shown}; expected two")
    elif counts.min() < FEWEST_SAMPLES:
        text = f"a group needs at least {FEWEST_SAMPLES} samples to be compared, found {shown}"
        yield Problem(role, f"{text}. Leave group_key out, or add samples")


def _values_by_sample(obs: pd.DataFrame, sample_key: str, key: str) -> dict[str, list[str]]:
    """The distinct values of a column in each sample, sorted, as text."""
    pairs = obs[[sample_key]].assign(value=obs[key]).drop_duplicates()
    pairs = pairs.astype(str).drop_duplicates().sort_values("value")
    values: dict[str, list[str]] = {}
    for sample, value in zip(pairs[sample_key], pairs["value"], strict=True):
        values.setdefault(sample, []).append(value)
    return values


def _sorted(column: pd.Series) -> list[str]:
    """The distinct values as text: as the categories are ordered, else 2 before 10."""
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        found = column.cat.categories[column.cat.categories.isin(column.unique())]
        return [str(one) for one in found]
    return sorted({str(one) for one in column.unique()}, key=_by_numbers)


def _by_numbers(name: str) -> list[tuple[int, float, str]]:
    """Sorts sample2 before sample10."""
    parts: list[tuple[int, float, str]] = []
    text = ""
    for is_digit, run in _runs(name):
        text += run
        parts.append((0, float(run), run) if is_digit else (1, 0.0, run.lower()))
    return [*parts, (2, 0.0, text)]


def _runs(name: str) -> Iterator[tuple[bool, str]]:
    """Runs of digits, and of other characters."""
    from itertools import groupby

    for is_digit, run in groupby(name, str.isdecimal):
        yield is_digit, "".join(run)

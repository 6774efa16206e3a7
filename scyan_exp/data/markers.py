"""Matching the channels of a file with the markers of the table."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.data.names import bare_name, plain_name
from scyan_exp.errors import InputError, listed, near_matches

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mismatch:
    """A marker of the table without a column of its own.

    Attributes:
        text: what is wrong, and what to do.
        lacking: True if no column matches; False if several do, or if one matches several markers.
    """

    text: str
    lacking: bool


def match_markers(
    markers: Sequence[str], columns: Sequence[Sequence[str]]
) -> tuple[dict[str, int], list[Mismatch]]:
    """Find the column of each marker: by its exact name, else loosely, else without the channel.

    Args:
        markers: names of the table.
        columns: for each column, the names by which it is known, the best first.

    Returns:
        The column of each marker that has one, and what is wrong with the other markers.
    """
    found, problems = dict[str, int](), list[Mismatch]()
    by_name = _by_name(columns)
    for marker in markers:
        places = _places(marker, by_name)
        if len(places) == 1:
            found[marker] = places[0]
        elif places:
            candidates = listed([_shown(columns[i]) for i in places])
            text = (
                f"marker {marker!r} of the table may be any of {candidates}: give it the exact "
                "name of one of them in the table"
            )
            problems.append(Mismatch(text, lacking=False))
        else:
            hint = near_matches(marker, [name for column in columns for name in column])
            text = f"marker {marker!r} of the table is not in the data.{hint}"
            problems.append(Mismatch(text, lacking=True))
    return found, [*problems, *_shared(found, columns)]


def _shared(found: Mapping[str, int], columns: Sequence[Sequence[str]]) -> Iterator[Mismatch]:
    """Columns that match several markers."""
    for place, n in Counter(found.values()).items():
        if n > 1:
            both = listed(repr(marker) for marker, other in found.items() if other == place)
            yield Mismatch(
                f"markers {both} of the table are all column {_shown(columns[place])} of the "
                "data: keep one of them",
                lacking=False,
            )


def choose_markers(adata: AnnData, markers: Sequence[str], where: str) -> AnnData:
    """The cells with only the markers of a table, by its names; other channels go to ``obs``.

    Args:
        adata: cells in memory, as :func:`~scyan_exp.data.reading.read_cells` gives them.
        markers: M names of the table.
        where: the file, for messages.

    Raises:
        InputError: markers are missing, or match several channels.
    """
    found, problems = match_markers(markers, names_of(adata))
    if problems:
        known = listed((_shown(names) for names in names_of(adata)), limit=60)
        texts = [problem.text for problem in problems]
        raise InputError([*texts, f"the data has: {known}"], where=where)
    columns = list(found.values())
    say_matches({m: str(adata.var_names[i]) for m, i in found.items()}, where)
    others = [i for i in range(adata.n_vars) if i not in columns]
    obs = _with_channels(adata, others)
    var = adata.var.iloc[columns].set_axis(list(found))
    return type(adata)(adata.X[:, columns], obs=obs, var=var, uns=adata.uns)


def names_of(adata: AnnData) -> list[list[str]]:
    """The names by which each column is known: its own, its label and its channel."""
    kinds = [kind for kind in ("label", "channel") if kind in adata.var]
    return [
        list(dict.fromkeys([str(name), *(str(adata.var[kind].iloc[i]) for kind in kinds)]))
        for i, name in enumerate(adata.var_names)
    ]


def obs_name(channel: str) -> str:
    """A channel's name in ``obs``, where h5ad files allow no slash."""
    return channel.replace("/", "_")


def say_matches(names: Mapping[str, str], where: str) -> None:
    """Log what was matched loosely."""
    loose = [f"{marker} = {name}" for marker, name in names.items() if marker != name]
    same = len(names) - len(loose)
    if loose:
        told = f"{same} markers by their names, others matched" if same else "markers matched"
        log.info("%s: %s: %s", where, told, listed(loose, limit=100))


#: Ways to compare names, the strictest first. Before these, only the first of a column's names is
#: tried, as it is.
_WAYS: tuple[Callable[[str], str], ...] = (str, plain_name, bare_name)


def _by_name(columns: Sequence[Sequence[str]]) -> list[dict[str, list[int]]]:
    """The columns of each name, for each way to compare."""
    ways: list[dict[str, list[int]]] = [{}, *({} for _ in _WAYS)]
    for i, names in enumerate(columns):
        ways[0].setdefault(names[0], []).append(i)
        for way, by_name in zip(_WAYS, ways[1:], strict=True):
            for name in {way(name) for name in names if name}:
                by_name.setdefault(name, []).append(i)
    return ways


def _places(marker: str, ways: Sequence[Mapping[str, list[int]]]) -> list[int]:
    keys = [marker, *(way(marker) for way in _WAYS)]
    return next(
        (by_name[key] for key, by_name in zip(keys, ways, strict=True) if key in by_name), []
    )


def _shown(names: Iterable[str]) -> str:
    first, *others = dict.fromkeys(name for name in names if name)
    return f"{first!r} ({', '.join(others)})" if others else repr(first)


def _with_channels(adata: AnnData, columns: Sequence[int]) -> pd.DataFrame:
    """``obs`` with expressions as further columns; its own columns keep their names."""
    names = {i: obs_name(str(adata.var_names[i])) for i in columns}
    kept = {i: name for i, name in names.items() if name not in adata.obs}
    more = pd.DataFrame(
        np.asarray(adata.X[:, list(kept)]), index=adata.obs_names, columns=list(kept.values())
    )
    return pd.concat([adata.obs, more], axis=1)


def renamed(adata: AnnData, markers: Sequence[str], where: str) -> AnnData:
    """The cells with the table's names for markers that match loosely; columns keep their places.

    Raises:
        InputError: a marker matches several columns. Missing markers are not refused.
    """
    if set(markers) <= set(adata.var_names):
        return adata
    found, problems = match_markers(markers, names_of(adata))
    problems = [problem for problem in problems if not problem.lacking]
    if problems:
        raise InputError([problem.text for problem in problems], where=where)
    names = adata.var_names.tolist()
    for marker, place in found.items():
        names[place] = marker
    say_matches({m: str(adata.var_names[i]) for m, i in found.items()}, where)
    adata.var_names = names
    return adata

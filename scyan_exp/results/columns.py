"""What an annotation adds to the cells, by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

    from scyan_exp.data.table import KnowledgeTable

#: The column of the populations, if nobody names another one (name of the reference).
DEFAULT_KEY = "scyan_pop"
LOG_PROB, CONFIDENCE, AGREEMENT = "scyan_log_prob", "scyan_confidence", "scyan_agreement"
#: Columns whose names are always the same.
FIXED = (LOG_PROB, CONFIDENCE, AGREEMENT)
LATENT, PROBA = "X_scyan", "scyan_proba"
#: The layer of corrected expressions.
CORRECTED = "scyan_corrected"
#: In the keywords of an FCS file: what the population number 0 means.
NOT_ANNOTATED = "not annotated"
#: In ``uns``: the name of the column of the populations; below which log-probability cells have
#: none; the rows of the table in the order of the columns of ``scyan_proba``; the markers; the
#: names of the populations at each level of the table; the members of a consensus.
KEY, THRESHOLD, POPULATIONS, MARKERS, LEVELS, MEMBERS = (
    "scyan_key",
    "scyan_log_prob_th",
    "scyan_populations",
    "scyan_markers",
    "scyan_levels",
    "scyan_members",
)
#: All that an annotation may add beside columns, by the part of the file that it stands in.
PARTS = {
    "obsm": (LATENT, PROBA),
    "layers": (CORRECTED,),
    "uns": (KEY, THRESHOLD, POPULATIONS, MARKERS, LEVELS, MEMBERS),
}


def added_columns(key: str, levels: Iterable[str], members: Iterable[str] = ()) -> list[str]:
    """The columns of ``obs`` that an annotation has.

    Args:
        key: the column of the populations.
        levels: the levels of the table.
        members: the names of the members of a consensus.
    """
    of_levels = [(f"{key}_{level}", f"{CONFIDENCE}_{level}") for level in levels]
    of_members = [f"{key}_{member}" for member in members]
    return [key, *FIXED, *(name for pair in of_levels for name in pair), *of_members]


def earlier_columns(names: Iterable[str], key: str, members: Iterable[str] = ()) -> list[str]:
    """Those of some columns that an earlier annotation has added, whatever its model.

    The populations of an annotation under another key stay: their name says what they are. What
    has the same name in every annotation does not, for it would be taken for the new one's.

    Args:
        names: of the columns.
        key: the column of the populations.
        members: the names of the members of the earlier annotation, as far as they are known;
            those of repeats are known by themselves.
    """
    names = list(names)
    levels = [one.removeprefix(f"{CONFIDENCE}_") for one in names]
    own = {*added_columns(key, levels, members)} if key in names else {*FIXED}
    ours = tuple(f"{one}_" for one in (CONFIDENCE, PROBA, CORRECTED))
    repeat = re.compile(rf"{re.escape(key)}_seed_\d+")
    return [one for one in names if one in own or one.startswith(ours) or repeat.fullmatch(one)]


def doubtful_columns(names: Iterable[str], key: str, members: Collection[str] = ()) -> list[str]:
    """Columns that may be of an earlier consensus, of which it is not known what it was made of.

    Args:
        names: of the columns.
        key: the column of the populations.
        members: the names of its members, as far as they are known.
    """
    names = list(names)
    if AGREEMENT not in names or members:
        return []
    known = set(earlier_columns(names, key))
    return [one for one in names if one.startswith(f"{key}_") and one not in known]


def drop_earlier(adata: AnnData, key: str, keep: Collection[str] = ()) -> None:
    """Remove all that an earlier annotation has added to cells in memory.

    Args:
        adata: the cells, changed in place.
        key: the column of the populations.
        keep: columns that stay nevertheless.
    """
    found = earlier_columns(map(str, adata.obs), key, members_of(adata.uns))
    adata.obs = adata.obs.drop(columns=[name for name in found if name not in keep])
    for part, names in PARTS.items():
        for name in names:
            getattr(adata, part).pop(name, None)


def members_of(uns: Mapping[str, Any]) -> list[str]:
    """The members of the consensus that annotated cells in memory; none without one."""
    return [str(name) for name in uns.get(MEMBERS, ())]


def members_in(file: h5py.File) -> list[str]:
    """The members of the consensus that annotated a file; none without one."""
    found = file["uns"].get(MEMBERS) if "uns" in file else None
    return [] if found is None else [str(name) for name in found.asstr()[:]]


def drop_earlier_parts(file: h5py.File) -> None:
    """Remove all but columns that an earlier annotation has added to a file."""
    for part, names in PARTS.items():
        for name in names:
            file[part].pop(name, None)


def key_of(file: h5py.File) -> str:
    """The column of the populations in an annotated file; earlier versions had one name alone."""
    import h5py

    found = file["uns"].get(KEY) if "uns" in file else None
    if not isinstance(found, h5py.Dataset) or not h5py.check_string_dtype(found.dtype):
        return DEFAULT_KEY
    value = found[()]
    return value.decode() if isinstance(value, bytes) else str(value)


def check_key(settings: PredictConfig, adata: AnnData, table: KnowledgeTable) -> None:
    """Make sure that no column of the user's is overwritten by ``predict.key_added``.

    What an earlier annotation added may be.

    Raises:
        InputError: the cells have such a column.
    """
    added = added_columns(settings.key_added, table.levels)
    problems = key_problems(settings, adata.obs.columns, table, adata.uns.get(KEY))
    problems += index_problems(added, str(adata.obs.index.name))
    if problems:
        raise InputError(problems)


def key_problems(
    settings: PredictConfig, names: Iterable[str], table: KnowledgeTable, earlier: str | None
) -> list[str]:
    """Columns of the user's that ``predict.key_added`` would overwrite.

    Args:
        settings: how cells are annotated.
        names: of all columns of the cells.
        table: the table of the model.
        earlier: the column of an earlier annotation, which may be overwritten.
    """
    key = settings.key_added
    if key == DEFAULT_KEY:
        return []
    if key.startswith("scyan_"):
        return [
            "predict.key_added: names that begin with 'scyan_' are the program's own, found "
            f"{key!r}"
        ]
    own = [key, *(f"{key}_{level}" for level in table.levels)]
    return [
        f"predict.key_added: {key!r} would overwrite the column {name!r} of the cells: "
        "choose a name that is free"
        for name in own
        if name in set(names) and key != earlier
    ]


def index_problems(added: Iterable[str], index: str) -> list[str]:
    """The names of the cells, where an annotation would overwrite them.

    Args:
        added: the columns that are added.
        index: what the column with the names is called.
    """
    return [
        f"the annotation would overwrite the column {name!r} of the cells, which holds their "
        "names: rename the index of obs, or choose another predict.key_added"
        for name in added
        if name == index
    ]

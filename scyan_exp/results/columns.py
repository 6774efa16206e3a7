"""What an annotation adds to the cells, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

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
#: In the keywords of an FCS file: what the population number 0 means.
NOT_ANNOTATED = "not annotated"
#: In ``uns``: the name of the column of the populations; below which log-probability cells have
#: none; the rows of the table in the order of the columns of ``scyan_proba``; the markers; the
#: names of the populations at each level of the table.
KEY, THRESHOLD, POPULATIONS, MARKERS, LEVELS = (
    "scyan_key",
    "scyan_log_prob_th",
    "scyan_populations",
    "scyan_markers",
    "scyan_levels",
)


def added_columns(key: str, levels: Iterable[str]) -> list[str]:
    """The columns of ``obs`` that an annotation has, without those of single members.

    Args:
        key: the column of the populations.
        levels: the levels of the table.
    """
    of_levels = [(f"{key}_{level}", f"{CONFIDENCE}_{level}") for level in levels]
    return [key, *FIXED, *(name for pair in of_levels for name in pair)]


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
    names = [*adata.obs.columns, str(adata.obs.index.name)]
    problems = key_problems(settings, names, table, adata.uns.get(KEY))
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
    if key in (DEFAULT_KEY, earlier):
        return []
    own = [key, *(f"{key}_{level}" for level in table.levels)]
    return [
        f"predict.key_added: {key!r} would overwrite the column {name!r} of the cells: "
        "choose a name that is free"
        for name in own
        if name in set(names)
    ]

"""Cells of one FCS file."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.data.compensation import (
    COMPENSATED_PREFIX,
    Spillover,
    compensate,
    is_compensated,
    read_matrix,
    spillover_of,
)
from scyan_exp.data.fcs_events import read_events
from scyan_exp.data.fcs_head import FcsHead, read_head
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

#: How cells are compensated: with the file's matrix (``auto``), not at all, with the matrix in a
#: CSV, or as ``uns["compensation"]`` of other cells says.
Compensation = str | bool | Mapping[str, Any]
#: Channels that measure no marker, whatever the cytometer: time, light scatter, length of a pulse.
_NO_MARKER = re.compile(
    r"(?:[vb]?[fs]sc|time|event|width|center|offset|residual)(?:[\W_\d]|$|height|area|length)",
    re.IGNORECASE,
)


def read_fcs(
    path: str | Path, compensation: Compensation = "auto", rows: np.ndarray | None = None
) -> AnnData:
    """Read an FCS file: X holds linear float32 numbers, compensated.

    ``var_names`` are the labels ``$PnS``, or ``$PnN`` for a channel without one; ``var["channel"]``
    is ``$PnN``. ``uns["compensation"]`` says what was done: ``{"kind": "file"}``, ``{"kind":
    "none"}``, ``{"kind": "before"}`` where the channels say so, or ``{"kind": "matrix", "channels":
    [...], "matrix": [...]}``.

    Args:
        path: the file.
        compensation: ``auto`` for the matrix of the file, if it has one; False for none; the
            path of a CSV; or what ``uns["compensation"]`` of other cells says.
        rows: the events wanted, in increasing order; all when None.

    Raises:
        InputError: what is wrong with the file, or with its matrix.
    """
    import anndata

    events_NC, var, done = load_fcs(read_head(path), compensation, rows)
    index = pd.RangeIndex(len(events_NC)) if rows is None else pd.Index(rows)
    obs = pd.DataFrame(index=index.astype(str))
    return anndata.AnnData(events_NC, obs=obs, var=var, uns={"compensation": done})


def load_fcs(
    head: FcsHead, compensation: Compensation, rows: np.ndarray | None = None
) -> tuple[np.ndarray, pd.DataFrame, dict[str, Any]]:
    """Events (N, C) float32, a table with a row per channel, and how the events were compensated.

    Raises:
        InputError: what is wrong with the events, or with the matrix.
    """
    spillover, done = chosen_spillover(head, compensation)
    if done["kind"] == "before":
        log.info("%s: compensated before, by the names of its channels", head.path)
    events_NC = read_events(head, rows)
    names = [channel.name for channel in head.channels]
    if spillover is not None:
        try:
            compensate(events_NC, names, spillover)
        except InputError as error:
            raise InputError(error.problems, where=str(head.path)) from None
    return events_NC, describe_channels(head), done


def describe_channels(head: FcsHead) -> pd.DataFrame:
    """A row per channel: its name in ``var_names``, its ``label`` and its ``channel``."""
    labels = [channel.label for channel in head.channels]
    channels = [channel.name for channel in head.channels]
    names = [label or name for label, name in zip(labels, channels, strict=True)]
    times = Counter(names)
    unique = [
        name if times[name] == 1 else f"{name} ({channel})"
        for name, channel in zip(names, channels, strict=True)
    ]
    return pd.DataFrame({"channel": channels, "label": names}, index=unique)


def is_other_channel(column: pd.Series) -> bool:
    """Whether a column of ``obs`` is a channel that may be a marker: neither time nor scatter.

    Channels are 32-bit numbers, which other columns of ``obs`` are not.
    """
    return column.dtype == np.float32 and may_be_marker(str(column.name))


def may_be_marker(name: str) -> bool:
    """Whether a channel of this name may measure a marker: no time, no scatter."""
    return _NO_MARKER.match(name) is None


def chosen_spillover(
    head: FcsHead, compensation: Compensation
) -> tuple[Spillover | None, dict[str, Any]]:
    """The matrix to compensate a file with, and what ``uns["compensation"]`` says of it.

    Raises:
        InputError: the matrix cannot be used.
    """
    given: Spillover | None = None
    if isinstance(compensation, Mapping):
        if compensation["kind"] == "matrix":
            given = Spillover.of_plain(compensation)
        compensation = "auto" if compensation["kind"] in ("file", "before") else False
    elif compensation not in ("auto", True, False):
        given = read_matrix(str(compensation))
    names = [channel.name for channel in head.channels]
    if given is not None:
        if is_compensated(names, given):
            raise InputError(
                f"the channels say that they were compensated before ({COMPENSATED_PREFIX}...), "
                "and a matrix is given: it would be taken out twice. Set dataset.compensation to "
                "false, or give the file as the cytometer wrote it",
                where=str(head.path),
            )
        return given, {"kind": "matrix", **given.plain()}
    if compensation is False:
        return None, {"kind": "none"}
    own = spillover_of(head.text)
    if own is not None and is_compensated(names, own):
        return None, {"kind": "before"}
    return own, {"kind": "none" if own is None else "file"}
